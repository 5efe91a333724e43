# Reads `go test -v` and prints what `go test` would have printed, and the skipped tests with their reasons, which go test
# keeps to itself unless asked for everything. Output of a package that failed is printed whole but for the passed tests.

function flush_failed(    i) {
	for (i = 1; i <= n; i++)
		if (line[i] !~ /^=== (RUN|PAUSE|CONT|NAME)/ && line[i] !~ /^ *--- PASS/)
			print line[i]
}

function flush_passed(    i) {
	for (i = 1; i <= n; i++)
		if (line[i] ~ /^ *--- SKIP/) {
			print line[i]
			if (line[i - 1] ~ /^ +.*\.go:[0-9]+: /)
				print line[i - 1]
		}
}

/^(ok  |\?   )\t/ { flush_passed(); print; fflush(); n = 0; next }
/^FAIL\t/ { flush_failed(); print; fflush(); n = 0; next }
/^PASS$/ { next }
{ line[++n] = $0 }
END { flush_failed() }
