#!/bin/sh
# Valkey with its password from a file: a password on the command line is readable by every process list.
set -eu
umask 077
{
    printf 'requirepass %s\n' "$(cat "$VALKEY_PASSWORD_FILE")"
    # Losing messages loses nothing (docs/decisions/0003); the append-only file only makes a restart quick.
    printf 'appendonly yes\ndir /data\nmaxmemory 256mb\nmaxmemory-policy noeviction\n'
} > /tmp/valkey.conf
exec valkey-server /tmp/valkey.conf
