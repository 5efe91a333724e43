# Reads `go test -v` and prints what `go test` would have printed, and the skipped tests with their reasons, which go test
# keeps to itself unless asked for everything. Output of a package that failed is printed whole but for the passed tests.
#
# TELCOL_REQUIRE_ALL=1 makes a skip a failure, unless its reason matches TELCOL_TEST_MAY_SKIP.

BEGIN { forbid = ENVIRON["TELCOL_REQUIRE_ALL"] == 1; may = ENVIRON["TELCOL_TEST_MAY_SKIP"] }

function flush_failed(    i) {
	for (i = 1; i <= n; i++)
		if (line[i] !~ /^=== (RUN|PAUSE|CONT|NAME)/ && line[i] !~ /^ *--- PASS/)
			print line[i]
	n = 0
}

function flush_passed(    i, name, said) {
	for (i = 1; i <= n; i++) {
		if (line[i] ~ /^=== /) {
			name = line[i]
			sub(/^=== [A-Z]+ +/, "", name)
		} else if (line[i] ~ /^ +[^ ]*\.go:[0-9]+: /) {
			said[name] = line[i]
		} else if (line[i] ~ /^ *--- SKIP: /) {
			name = line[i]
			sub(/^ *--- SKIP: /, "", name)
			sub(/ \([0-9.]+s\)$/, "", name)
			print line[i]
			if (name in said)
				print said[name]
			if (forbid && (may == "" || said[name] !~ may)) {
				print "FAIL: " name " skipped, which TELCOL_REQUIRE_ALL=1 forbids"
				bad = 1
			}
		}
	}
	n = 0
}

/^(ok  |\?   )\t/ { flush_passed(); print; fflush(); next }
/^FAIL\t/ { flush_failed(); print; fflush(); next }
/^PASS$/ { next }
{ line[++n] = $0 }
END { flush_failed(); exit bad }
