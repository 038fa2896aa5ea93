# What a recipe of the README finds when it begins: the real program, started in this directory as its users start it.
# readme.rs calls the function NAME for a block that is marked `sh run NAME`. Nothing outlives the recipe.

started=()
end() {
    for pid in "${started[@]}"; do
        kill "$pid" 2> /dev/null || continue
        tail --pid="$pid" -f /dev/null
    done
}
trap end EXIT

# serving SOCKET PROGRAM ARG...   no job of the recipe's own, whose `wait` and `kill %1` are not for it
serving() {
    timeout 60 "${@:2}" > said 2>&1 &
    started+=($!)
    disown
    until [ -S "$1" ]; do kill -0 "${started[-1]}" || { cat said; return 1; } >&2; sleep 0.01; done
}

ssh_agent() {
    export SSH_AUTH_SOCK="$PWD/agent.sock"
    serving agent.sock ssh-agent -D -a agent.sock
}

gpg_agent() {
    export GNUPGHOME="$PWD/gnupg"
    mkdir -m 700 gnupg
    trap 'gpgconf --kill gpg-agent' EXIT # it always goes into the background
    gpg-connect-agent /bye
}

dbus() {
    serving bus dbus-daemon --session --nofork --address="unix:path=$PWD/bus" --print-address=3 3> address
    until [ -s address ]; do sleep 0.01; done
    DBUS_SESSION_BUS_ADDRESS=$(cat address)
}

# No network and no containers of its own: its socket is all that is asked for. Where the kernel gives it no control
# groups it will not start (its own log, above, says so): what it would answer is served all the same.
docker() {
    DOCKER_HOST="unix://$PWD/docker.sock"
    printf 'HTTP/1.0 200 OK\r\n\r\n{"Os":"linux"}' > answer
    serving docker.sock dockerd -H "$DOCKER_HOST" --data-root "$PWD/data" --exec-root "$PWD/exec" -p "$PWD/pid" \
        --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs ||
        serving docker.sock socat UNIX-LISTEN:docker.sock 'EXEC:cat answer'
}

mpv() {
    serving mpv.sock mpv --no-config --idle --no-video --input-ipc-server=./mpv.sock
}

# It will not run as root, and needs no screen.
sway() {
    mkdir run
    chown 65534 . run
    export XDG_RUNTIME_DIR="$PWD/run" WLR_BACKENDS=headless WLR_LIBINPUT_NO_DEVICES=1 WLR_RENDERER=pixman
    SWAYSOCK="$PWD/run/sway.sock"
    SWAYSOCK="$SWAYSOCK" HOME="$PWD/run" serving "$SWAYSOCK" \
        setpriv --reuid=65534 --regid=65534 --clear-groups sway -c /dev/null
}

# The computer `host` is this one, by way of a real sshd; a pipe y is there.
ssh() {
    ssh-keygen -q -t ed25519 -N '' -f key
    cp key.pub authorized
    mkdir -p /run/sshd bin
    printf '%s\n' "HostKey $PWD/key" "AuthorizedKeysFile $PWD/authorized" 'StrictModes no' 'UsePAM no' \
        "SetEnv TMPDIR=$TMPDIR PATH=$PATH" > sshd_config
    printf '%s\n' 'Host host' "ProxyCommand $(PATH=$PATH:/usr/sbin type -p sshd) -i -f $PWD/sshd_config" \
        "IdentityFile $PWD/key" 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' 'LogLevel ERROR' > ssh_config
    printf '#!/bin/sh\nexec %s -F %s/ssh_config "$@"\n' "$(type -P ssh)" "$PWD" > bin/ssh
    chmod +x bin/ssh
    PATH="$PWD/bin:$PATH"
    serving CoreFxPipe_y pipetool serve y -- tr a-z A-Z
}
