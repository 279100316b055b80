#!/usr/bin/env bash
# Run a command with a PostgreSQL server of its own on this machine, which ends with the command. The command finds the
# URL, with its password, in PHMBENCH_TEST_POSTGRESQL. Needs Debian's postgresql; as root the server runs as `postgres`.
#   tests/clusters/postgresql.sh python -m pytest -m cluster tests/clusters/test_postgresql.py
set -euo pipefail
programs=$(find /usr/lib/postgresql -name pg_ctl -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
[ -n "$programs" ] || { echo "PostgreSQL is not installed: apt-get install postgresql" >&2; exit 1; }
place=$(mktemp -d /tmp/phmbench-postgresql-XXXXXX)
as=()
if [ "$(id -u)" = 0 ]; then chown postgres "$place"; as=(setpriv --reuid=postgres --regid=postgres --clear-groups); fi
stop() { "${as[@]}" "$programs/pg_ctl" -D "$place/data" -m immediate stop > /dev/null 2>&1 || true; rm -rf "$place"; }
trap stop EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
password=secret-$RANDOM$RANDOM
(cd "$place" && printf '%s' "$password" > password && chmod 644 password
 "${as[@]}" "$programs/initdb" -D "$place/data" -U phmbench --pwfile=password --auth=scram-sha-256 > "$place.log" 2>&1
 rm -f "$place.log"
 "${as[@]}" "$programs/pg_ctl" -D "$place/data" -w -l "$place/data/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$place" start > /dev/null)
export PHMBENCH_TEST_POSTGRESQL="postgresql://phmbench:$password@127.0.0.1:$port/postgres"
"$@"
