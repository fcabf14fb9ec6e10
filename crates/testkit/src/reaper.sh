# Stops the shared test server when no process has used it for a while.
#   $1  directory with one file per process that uses it, named by its id
#   $2  data directory of the server
#   $3  process id of the postmaster
#   $4  seconds of disuse
idle=0
while [ "$(head -n 1 "$2/postmaster.pid" 2>/dev/null)" = "$3" ] && kill -0 "$3" 2>/dev/null; do
    sleep 5
    # Process ids are used again: no run of tests takes six hours.
    find "$1" -type f -mmin +360 -exec rm -f {} +
    idle=$((idle + 5))
    for file in "$1"/*; do
        [ -e "$file" ] || continue
        if kill -0 "${file##*/}" 2>/dev/null; then idle=0; else rm -f "$file"; fi
    done
    if [ "$idle" -ge "$4" ]; then
        # Fast shutdown.
        kill -INT "$3"
        exit 0
    fi
done
