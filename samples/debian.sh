# shellcheck shell=bash
# Where the scripts that install Debian into a folder get its packages: from what this machine's apt is
# set up for.

# debian_sources SUITE: the Debian entries among apt's sources, whatever files and syntax they stand in.
debian_sources() {
    # shellcheck disable=SC2016 # the $ are apt's
    apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI) $(RELEASE)' \
        "Created-By: Packages" |
        awk -v "suite=$1" '$1 == "Debian" && $2 ~ "^" suite && $3 == "main" && !seen[$4, $5]++ {
            print "deb", $4, $5, "main" }'
}

# How apt fetches here (proxies, date checks), as options of mmdebstrap.
apt_options() {
    apt-config dump | sed -n -E 's/^(Acquire::(https?|Check-[A-Za-z-]+)(::[^ ]*)?) "(.+)";$/--aptopt=\1 "\4"/p'
}

# install_debian SUITE TAR OPTION...: a minimal Debian in a tar, with mmdebstrap's options.
install_debian() {
    local suite=$1 tar=$2 sources options
    shift 2
    sources=$(debian_sources "$suite")
    if [ -z "$sources" ]; then
        echo "apt has no Debian $suite among its sources (has 'apt-get update' been run?)" >&2
        return 1
    fi
    mapfile -t options < <(apt_options)
    mmdebstrap --quiet --variant=minbase "${options[@]}" "$@" "$suite" "$tar" - <<<"$sources"
}
