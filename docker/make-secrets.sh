#!/bin/sh
# Writes the secrets that docker-compose.yml reads, once: a file that exists is kept.
# Usage: docker/make-secrets.sh [FOLDER]      (default: docker/secrets)
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
# Containers read single files under their own user ids, so the files are readable and the folder is not.
chmod 700 "$folder"
umask 077

random() { od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# keep NAME VALUE: write the file unless it exists; a half-written one never takes its name.
keep() {
    [ -e "$folder/$1" ] && return
    printf '%s' "$2" > "$folder/.$1.new"
    chmod 444 "$folder/.$1.new"
    mv "$folder/.$1.new" "$folder/$1"
    echo "made $folder/$1"
}
read_back() { cat "$folder/$1"; }

keep secret_key "$(random)"
keep database_superuser_password "$(random)"
keep database_owner_password "$(random)"
keep database_app_password "$(random)"
keep database_owner_url "postgresql://changecontrol_owner:$(read_back database_owner_password)@database:5432/changecontrol"
keep database_url "postgresql://changecontrol_app:$(read_back database_app_password)@database:5432/changecontrol"
keep valkey_password "$(random)"
keep redis_url "redis://:$(read_back valkey_password)@valkey:6379/0"

for environment in development staging production; do
    keep "target_${environment}_superuser_password" "$(random)"
    keep "target_${environment}_password" "$(random)"
    keep "target_${environment}" \
        "postgresql://migrator:$(read_back "target_${environment}_password")@target-${environment}:5432/diary"
    keep "sandbox_${environment}_password" "$(random)"
    keep "sandbox_${environment}" \
        "postgresql://sandbox:$(read_back "sandbox_${environment}_password")@sandbox-${environment}:5432/postgres"
done
