#!/usr/bin/env bash
# A real Apache Kafka for tests: one KRaft node on loopback, from Maven artifacts, without Docker and without root.
#
#   rig.sh up            start a broker (or find the one that up has started) and print its bootstrap address
#   rig.sh down          stop it and remove its data
#   rig.sh run CMD...    run CMD with TELCOL_TEST_KAFKA set to a broker of its own, stop that, exit as CMD did
#   rig.sh check         say whether what it takes is here, without starting or fetching anything
#
# With TELCOL_TEST_KAFKA set, that broker is used and none is started. Settings, all from the environment:
#   KAFKA_RIG_CACHE   where jars and the state of `up` are kept, default .cache/kafka-rig in the repository
#   KAFKA_RIG_PORT    the broker's port, the controller takes the next one; default is the first free pair from 29092
#   KAFKA_RIG_HEAP    the broker's heap, default 768m
#   KAFKA_RIG_WAIT    seconds to wait for the broker, default 180
# Data is in a fresh directory below TMPDIR each time. Exit status: 2 wrong use, 3 Java or Maven is missing, 4 the jars
# could not be fetched, 5 the broker did not start (its log is kept and named).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KAFKA_RIG_CACHE:-$(cd "$here/../.." && pwd)/.cache/kafka-rig}
lib=$cache/lib
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
readonly missing=3 unfetched=4 unstarted=5

say() { echo "kafka-rig: $*" >&2; }
die() {
	local status=$1
	shift
	say "$*"
	exit "$status"
}

# need_tools names all that is missing, not only the first.
need_tools() {
	local lacks=() version
	if ! command -v java >/dev/null; then
		lacks+=("java (17 or newer)")
	else
		version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
		[ "${version:-0}" -ge 17 ] || lacks+=("java 17 or newer (found ${version:-none})")
	fi
	if ! jars_here && ! command -v mvn >/dev/null; then
		lacks+=("mvn (to fetch Kafka)")
	fi
	[ ${#lacks[@]} -eq 0 ] || die $missing "missing: $(printf '%s; ' "${lacks[@]}" | sed 's/; $//'). Install it, or set TELCOL_TEST_KAFKA to the address of a broker."
}

# jars_here reports whether the jars of this very pom.xml are in the cache.
jars_here() { [ -f "$lib/pom.xml" ] && cmp -s "$lib/pom.xml" "$here/pom.xml"; }

# fetch puts the jars into the cache, in one step, so that a broken or a second fetch leaves no half of it.
fetch() {
	jars_here && return
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	if command -v flock >/dev/null; then flock 9; fi
	if ! jars_here; then
		local new=$cache/lib.new.$$ try
		say "fetching Kafka with Maven, once"
		for try in 1 2 3; do # a repository may be away for a moment
			rm -rf "$new"
			if mvn -q -B -f "$here/pom.xml" "$plugin:copy-dependencies" -DincludeScope=runtime "-DoutputDirectory=$new" >"$cache/fetch.log" 2>&1; then
				break
			elif [ "$try" = 3 ]; then
				rm -rf "$new"
				tail -n 20 "$cache/fetch.log" >&2
				die $unfetched "Maven could not fetch Kafka, see $cache/fetch.log"
			fi
			sleep $((10 * try))
		done
		cp "$here/pom.xml" "$new/pom.xml"
		rm -rf "$lib"
		mv "$new" "$lib"
	fi
	exec 9>&-
}

# listening reports whether a port of this host is taken, by the kernel's own list.
listening() {
	local hex
	hex=$(printf ':%04X' "$1")
	awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# choose_port prints the port to use, from the given one on.
choose_port() {
	local port
	if [ -n "${KAFKA_RIG_PORT:-}" ]; then
		echo "$KAFKA_RIG_PORT"
		return
	fi
	for ((port = $1; port < 29292; port += 2)); do
		if ! listening "$port" && ! listening $((port + 1)); then
			echo "$port"
			return
		fi
	done
	die $unstarted "no free pair of ports from 29092 to 29291"
}

# answers asks the broker which requests it knows (ApiVersions, version 0), as any client does first. A broker that is not ready to
# serve does not answer.
answers() {
	local reply
	reply=$(
		exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
		printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3
		timeout 2 head -c 10 <&3 | od -An -tx1 | tr -d ' \n'
	) || return 1
	[ "${reply:8:12}" = 000000010000 ] # the correlation id of the question, and no error
}

write_config() { # DIR PORT
	cat >"$1/server.properties" <<-EOF
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$(($2 + 1))
		listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$(($2 + 1))
		advertised.listeners=PLAINTEXT://127.0.0.1:$2
		controller.listener.names=CONTROLLER
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$1/data
		num.partitions=4
		auto.create.topics.enable=false
		default.replication.factor=1
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=1
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		share.coordinator.state.topic.num.partitions=1
		group.initial.rebalance.delay.ms=0
	EOF
}

# start sets dir, pid and address. Two rigs that start at once may choose the same port; the one that comes second takes another.
start() {
	local port=29092
	need_tools
	fetch
	while :; do
		port=$(choose_port "$port")
		if listening "$port" || listening $((port + 1)); then
			die $unstarted "port $port or $((port + 1)) is taken; choose another with KAFKA_RIG_PORT"
		fi
		launch "$port"
		if await "$port"; then return; fi
		[ -z "${KAFKA_RIG_PORT:-}" ] && grep -q 'Address already in use' "$dir/log" || fail "the broker did not start on $address"
		stop
		port=$((port + 2))
	done
}

# cluster_id prints a Kafka cluster id, made of the first 16 bytes of standard input. The alphabet of these ids has a "-", and
# Kafka's tools take an id that begins with one for a flag.
cluster_id() {
	local id
	id=$(head -c 16 | base64 | tr '+/' '-_' | cut -c 1-22)
	echo "${id/#-/k}"
}

# launch starts a broker on a port.
launch() {
	local id log=(-Dlog4j2.configurationFile="$here/log4j2.properties")
	address=127.0.0.1:$1
	dir=$(mktemp -d "${TMPDIR:-/tmp}/telcol-kafka-rig.XXXXXX")
	write_config "$dir" "$1"
	id=$(cluster_id </dev/urandom)
	if ! java "${log[@]}" -cp "$lib/*" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >"$dir/log" 2>&1; then
		fail "the storage could not be formatted"
	fi
	# A session of its own, so that Ctrl-C in the terminal reaches the test and not the broker under it.
	setsid java "-Xmx${KAFKA_RIG_HEAP:-768m}" "${log[@]}" "-Dkafka.rig=$dir" -cp "$lib/*" kafka.Kafka "$dir/server.properties" \
		>>"$dir/log" 2>&1 </dev/null &
	pid=$!
}

# await waits until the broker serves. An answer alone could be another broker's.
await() {
	local deadline=$((SECONDS + ${KAFKA_RIG_WAIT:-180}))
	until grep -q 'Kafka Server started' "$dir/log" && answers "$1"; do
		kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# fail keeps the log of a broker that did not start, and nothing else of it.
fail() {
	local kept=$cache/failed.log
	mkdir -p "$cache"
	cp "$dir/log" "$kept"
	tail -n 20 "$kept" >&2
	stop
	die $unstarted "$1, its log is $kept"
}

# ours reports whether a process is the broker with that directory: process ids are used again.
ours() { [ -n "$1" ] && tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -e "-Dkafka.rig=$2"; }

# stop ends the broker pid and removes dir.
stop() {
	local i
	if ours "${pid:-}" "${dir:-}"; then
		kill "$pid" 2>/dev/null || true
		for ((i = 0; i < 100; i++)); do
			ours "$pid" "$dir" || break
			sleep 0.1
		done
		if ours "$pid" "$dir"; then kill -9 "$pid" 2>/dev/null || true; fi
		wait "$pid" 2>/dev/null || true
	fi
	pid=
	case "${dir:-}" in */telcol-kafka-rig.??????) rm -rf "$dir" ;; esac
}

# state reads what the last up has left, and reports whether its broker lives.
state() {
	pid='' dir='' address=''
	[ -f "$cache/state" ] || return 1
	{ read -r pid && read -r address && read -r dir; } <"$cache/state" || return 1
	ours "$pid" "$dir"
}

up() {
	if [ -n "${TELCOL_TEST_KAFKA:-}" ]; then
		echo "$TELCOL_TEST_KAFKA"
		return
	fi
	if ! state; then
		start
		printf '%s\n' "$pid" "$address" "$dir" >"$cache/state"
	fi
	echo "$address"
}

down() {
	[ -z "${TELCOL_TEST_KAFKA:-}" ] || return 0
	state || true
	stop
	rm -f "$cache/state"
}

run() {
	local status=0
	if [ -z "${TELCOL_TEST_KAFKA:-}" ]; then
		pid='' dir=''
		trap stop EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM
		start
		export TELCOL_TEST_KAFKA=$address
	fi
	"$@" || status=$?
	exit "$status"
}

[ "$0" = "${BASH_SOURCE[0]}" ] || return 0 # only the functions are wanted

case "${1:-}" in
up | down) "$1" ;;
check) [ -n "${TELCOL_TEST_KAFKA:-}" ] || need_tools ;;
run)
	shift
	[ $# -gt 0 ] || die 2 "run what? usage: rig.sh run CMD..."
	run "$@"
	;;
*) die 2 "usage: rig.sh up | down | run CMD... | check" ;;
esac
