# shellcheck shell=sh disable=SC2154,SC2034
# Sourced by tests/pf/run: what the engine may do with its descriptors.

# Whether each descriptor of the engine has the rights that it needs and no other:
# kqueue, channel, and capture.
engine_is_limited() {
    engine=$(ps -ax -o pid= -o ppid= -o command= | awk -v parent="$(cat "$work/daemon.pid")" \
        '$2 == parent && /knockd: engine/ { print $1 }')
    procstat -f -C "$engine" | awk '
        BEGIN { may["k"] = ",kc,ke,"; may["s"] = ",rd,re,wr,sd,ev,"; may["v"] = ",rd,re,ev,io," }
        $3 !~ /^[0-9]+$/ { next }
        { count[$4]++; print $3, $4, $6 }
        $6 != "-" {
            rights = split($6, right, ",")
            for (i = 1; i <= rights; i++)
                if (index(may[$4], "," right[i] ",") == 0) wide = 1
        }
        END { exit wide || count["k"] != 1 || count["v"] < 1 }'
}

topic_rights() {
    [ "$system" = FreeBSD ] || {
        skip rights "descriptors of $system have none"
        return
    }
    check daemon-with-rights daemon both.ron
    check engine-has-no-other-rights engine_is_limited
    check engine-works-with-these within 15 ask
    check daemon-with-rights-stops halt daemon
}
