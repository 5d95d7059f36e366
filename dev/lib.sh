# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the commands in dev/ share: where the repository is, how they speak, which packages of dev/packages are
# missing, and how a tree is built. Sourced, never run; needs nothing but Debian's essential packages.

# shellcheck disable=SC2034  # for those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
packages_file=$root/dev/packages

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# The release of this Debian: 12 or 13.
debian_release() {
    local release
    release=$(. /etc/os-release && printf '%s' "${ID:-} ${VERSION_ID:-}")
    case $release in
        "debian 12" | "debian 13") printf '%s' "${release#debian }" ;;
        *) die "These commands know the packages of Debian 12 and 13; this is '$release'. See dev/packages." ;;
    esac
}

# listed_packages RELEASE GROUP...: the packages of these groups, one a line.
listed_packages() {
    local release=$1
    shift
    awk -v release="$release" -v groups=" $* " \
        '!/^#/ && NF == 3 && index(groups, " " $1 " ") && ($2 == "any" || $2 == release) { print $3 }' "$packages_file"
}

# missing_packages GROUP...: those that are not installed here. Asks dpkg alone: no network.
missing_packages() {
    local release package
    release=$(debian_release)
    for package in $(listed_packages "$release" "$@"); do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
    done
}

as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "Installing packages needs root. Run this as root once, or install: $(missing_packages build test | xargs)"
    fi
}

# build_preset PRESET [TARGET...]: configures when needed and builds in build/PRESET.
build_preset() {
    local preset=$1
    shift
    cmake -S "$root" --preset "$preset" >"$root/build/configure-$preset.log" 2>&1 || {
        cat "$root/build/configure-$preset.log" >&2
        return 1
    }
    cmake --build "$root/build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}

# The mirror that apt uses here for this Debian's own `main`.
mirror() {
    local codename
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016  # apt-get's own variable
    apt-get indextargets --format '$(REPO_URI)' "Release: $codename" 'Component: main' 'Identifier: Packages' |
        head -n 1 | grep . || die "apt names no mirror for $codename; see /etc/apt/sources.list.d."
}

# cached_tree NAME CODENAME GROUP...: a Debian tree with the packages of these groups; prints where it is. It comes from
# this machine's own mirror, is kept in the user's cache, and is made anew when the list of packages changes; otherwise no
# network is needed.
cached_tree() {
    local name=$1 codename=$2 release=12 packages key tree
    shift 2
    [[ $codename == bookworm ]] || release=13
    packages=$(listed_packages "$release" "$@" | paste -sd,)
    key=$(printf '%s' "$packages" | sha256sum | cut -c 1-12)
    tree=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hwvault/$name-$key
    [[ -d $tree ]] || make_tree "$codename" "$tree" "$packages"
    printf '%s\n' "$tree"
}

make_tree() {
    local codename=$1 tree=$2 packages=$3
    [[ $(id -u) == 0 ]] || die "Making a tree of Debian needs root."
    say "Making a tree of Debian's $codename in $tree"
    mkdir -p "$(dirname "$tree")"
    rm -rf "$tree.new"
    # Its output is for people: standard output is the path alone.
    mmdebstrap --quiet --variant=minbase --include="$packages" "$codename" "$tree.new" "$(mirror)" >&2 || {
        rm -rf "$tree.new"
        return 1
    }
    mv "$tree.new" "$tree"
}
