#!/bin/sh
# Installs the Debian packages whose servers the tests start by themselves. No service of the machine's is started.
# Quick when all are there. Without root and passwordless sudo, or without apt, it says what is missing and succeeds:
# the tests that need it are then skipped.
set -eu

PACKAGES="slapd ldap-utils samba samba-ad-dc samba-ad-provision samba-dsdb-modules winbind krb5-user libsasl2-modules-gssapi-mit 389-ds-base libldap-dev libsasl2-dev gcc python3-dev python3-venv postgresql pgbouncer mariadb-server openssl strace systemd jq"

if ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system. Tests whose server is not installed are skipped; they use: $PACKAGES"
    exit 0
fi
missing=
for package in $PACKAGES; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    root=env
elif sudo -n true 2>/dev/null; then
    root="sudo -n env"
else
    echo "Tests whose server is missing are skipped. To run them all: sudo apt-get install$missing"
    exit 0
fi

apt() { # Waits for another apt: DPkg::Lock covers the package database, the loop the package lists and a flaky mirror.
    tries=1
    until $root DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"; do
        [ $tries -lt 5 ] || return 1
        tries=$((tries + 1))
        echo "apt-get failed; try $tries of 5 in 10 seconds"
        sleep 10
    done
}

# Debian starts a service as soon as it is installed, unless this file says 101 (forbidden).
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
fi

echo "Installing for the tests:$missing"
# shellcheck disable=SC2086  # one word per package
if ! { apt update && apt install --no-install-recommends $missing; }; then
    echo "Not installed:$missing. Tests whose server is missing are skipped."
fi
