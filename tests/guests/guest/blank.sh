# shellcheck shell=bash disable=SC2034
# A disk that nobody has written to.
from=

table() {
    truncate -s 64M "$1"
}
