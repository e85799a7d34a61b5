#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* explicit_bzero is what the compiler does not leave out. */
void passphrase_clear(struct passphrase *p)
{
    explicit_bzero(p, sizeof *p);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* One line of at most VML_PASSPHRASE_MAX bytes, without its end; bytes of a later line stay unread
 * on a terminal. */
static int read_line(int fd, struct passphrase *p, const char *name, struct vml_error *err)
{
    p->len = 0;
    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);

        if (n < 0 && errno == EINTR) {
            if (vml_interrupted())
                return vml_fail_interrupted(err);
            continue;
        }
        if (n < 0)
            return vml_fail_errno(err, "%s", name);
        if (n == 0 || c == '\n')
            break;
        if (p->len == sizeof p->text)
            return vml_fail(err, VML_EUSAGE, "usage/passphrase",
                            "%s: the passphrase is longer than %u bytes", name, VML_PASSPHRASE_MAX);
        p->text[p->len++] = c;
    }
    if (p->len > 0 && p->text[p->len - 1] == '\r')
        p->len--;
    return p->len > 0
               ? 0
               : vml_fail(err, VML_EUSAGE, "usage/passphrase", "%s: the passphrase is empty", name);
}

int passphrase_read(struct passphrase *p, const char *path, struct vml_error *err)
{
    VML_AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return vml_fail_errno(err, "%s", path);
    return read_line(fd, p, path, err);
}

static int ask_once(int tty, struct passphrase *p, const char *prompt, struct vml_error *err)
{
    struct termios shown, hidden;
    int rc;

    if (tcgetattr(tty, &shown) < 0)
        return vml_fail_errno(err, "the terminal");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    if (tcsetattr(tty, TCSAFLUSH, &hidden) < 0)
        return vml_fail_errno(err, "the terminal");
    rc = write(tty, prompt, strlen(prompt)) < 0 ? vml_fail_errno(err, "the terminal")
                                                : read_line(tty, p, "the terminal", err);
    (void)tcsetattr(tty, TCSAFLUSH, &shown); /* also after an interruption */
    (void)!write(tty, "\n", 1);
    return rc;
}

int passphrase_ask(struct passphrase *p, const char *prompt, bool twice, struct vml_error *err)
{
    VML_AUTO(close_fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    VML_AUTO(passphrase_clear) struct passphrase again = { .len = 0 };

    if (tty < 0)
        return vml_fail(err, VML_EREFUSED, "key/passphrase",
                        "a passphrase is needed and there is no terminal to ask on: name a file "
                        "that holds it with --passphrase-file or VMLIFT_PASSPHRASE_FILE");
    if (ask_once(tty, p, prompt, err) < 0)
        return -1;
    if (!twice)
        return 0;
    if (ask_once(tty, &again, "once more: ", err) < 0)
        return -1;
    if (p->len == again.len && memcmp(p->text, again.text, p->len) == 0)
        return 0;
    return vml_fail(err, VML_EUSAGE, "usage/passphrase", "the two passphrases differ");
}
