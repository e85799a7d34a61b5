#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "opt.h"
#include "out.h"

static const struct verb verbs[] = {
    { "convert", cmd_convert, "turn a disk or machine into another format" },
    { "info", cmd_info, "say what an image is and holds" },
    { "map", cmd_map, "say which bytes of a disk are stored, and where" },
    { "hash", cmd_hash, "print the digest of a disk's bytes" },
    { "check", cmd_check, "look for damage, and ask what a target would say" },
    { "inspect", cmd_inspect, "say what is inside a disk, and how it boots" },
    { "compare", cmd_compare, "tell whether two images hold the same disks" },
    { "prep", cmd_prep, "make a machine ready for EC2, on a copy: fstab, network, drivers" },
    { "import", cmd_import, "register an image in the local registry as an AMI" },
    { "export", cmd_export, "write an AMI or a snapshot to a file" },
    { "image", cmd_image, "list, show, deregister: the AMIs" },
    { "snapshot", cmd_snapshot, "list, show, copy, diff, delete: the disks beneath the AMIs" },
    { "key", cmd_key, "create, list, grant, rotate: what snapshots are encrypted with" },
    { "store", cmd_store, "init, stats, verify, gc, rebuild: where the disks are kept" },
#ifdef VMLIFT_AWS
    { "publish", cmd_publish, "make an AMI in AWS of a file or a local AMI" },
#endif
#ifdef VMLIFT_SERVE
    { "serve", cmd_serve, "serve the store to clients of AWS" },
#endif
    { 0 },
};

static void print_verbs(const struct verb *table, const char *group)
{
    const char *space = group[0] != '\0' ? " " : "";

    printf("usage: vmlift %s%sVERB [OPTION...] [OPERAND...]\n\n", group, space);
    for (; table->name != NULL; table++)
        printf("  %-12s %s\n", table->name, table->summary);
    printf("\n\"vmlift %s%sVERB --help\" tells more about each", group, space);
    puts(group[0] == '\0' ? "; \"--version\" tells the version." : ".");
}

int verb_run(struct cli *cli, const struct verb *table, const char *group, int argc, char **argv,
             struct vml_error *err)
{
    const char *space = group[0] != '\0' ? " " : "";
    char buf[64];

    if (argc < 2)
        return vml_fail(err, VML_EUSAGE, "usage/verb",
                        "which verb? \"vmlift %s%s--help\" lists them", group, space);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_verbs(table, group);
        return 0;
    }
    struct opt_near near = { argv[1], NULL, 0 };
    for (const struct verb *v = table; v->name != NULL; v++) {
        if (strcmp(v->name, argv[1]) == 0)
            return v->run(cli, argc - 1, argv + 1, err);
        opt_near_try(&near, v->name);
    }
    return vml_fail(err, VML_EUSAGE, "usage/verb", "unknown verb %s%s%s%s", group, space, argv[1],
                    opt_near_hint(&near, "", buf));
}

/* "help image show" is "image show --help". */
static int help(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    static char option[] = "--help";
    char *words[5] = { argv[0] };
    int n = 1;

    if (argc > 4)
        return vml_fail(err, VML_EUSAGE, "usage/operands", "help takes one verb");
    for (int i = 2; i < argc; i++)
        words[n++] = argv[i];
    words[n++] = option;
    return verb_run(cli, verbs, "", n, words, err);
}

static int run(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "--version") == 0) {
        puts("vmlift " VMLIFT_VERSION);
        return 0;
    }
    if (strcmp(word, "help") == 0)
        return help(cli, argc, argv, err);
    return verb_run(cli, verbs, "", argc, argv, err);
}

static void on_signal(int number)
{
    (void)number;
    vml_interrupt();
}

/* The first signal asks the library to stop and clean up; a second one of the same kind kills. What
 * was set to be ignored (nohup, a background job of a script) stays so.  A reader of standard
 * output who has left is an error like others, not a death. */
static void catch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction ours = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }, old;

    signal(SIGPIPE, SIG_IGN); /* and the write says EPIPE */
    signal(SIGXFSZ, SIG_IGN); /* EFBIG */
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &ours, NULL);
}

/* A closed standard stream would be the number of the next file that is opened, and messages would
 * end up in a disk.  What stands in for it is open the wrong way round, so that using it fails. */
static void fill_streams(void)
{
    static const int ways[] = { O_WRONLY, O_RDONLY, O_RDONLY };

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", ways[fd]);
}

/* A VMDK of 2 TiB may be a thousand files, more than most shells let a program open at first. */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int set_clock(struct vml_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;

    if (text == NULL || text[0] == '\0')
        return 0;
    errno = 0;
    int64_t seconds = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || seconds < 0)
        return vml_fail(err, VML_EUSAGE, "usage/environment",
                        "SOURCE_DATE_EPOCH: %s is not a number of seconds", text);
    vml_set_clock(seconds);
    return 0;
}

int main(int argc, char **argv)
{
    struct cli cli = { 0 };
    struct vml_error err = { 0 };

    fill_streams();
    out_start();
    catch_signals();
    allow_files();
    int rc = set_clock(&err);
    if (rc == 0)
        rc = run(&cli, argc, argv, &err);
    if (rc >= 0 && out_flush(&err) < 0)
        rc = -1;
    if (rc < 0) {
        out_error(&cli, &err);
        return vml_error_status(&err);
    }
    return rc;
}
