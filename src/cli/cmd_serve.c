#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local.h"
#include "out.h"
#include "serve.h"
#include "vmlift/io.h"
#include "vmlift/serve.h"

#define LISTEN  "127.0.0.1:8250"
#define PEM_MAX (256u << 10)

struct serve {
    struct local local;
    const char *listen, *certificate, *private_key, *buckets;
    struct opt_list regions;
    bool plain, verbose, with_parent;
};

static const struct opt opts[] = {
    { 0, "listen", "HOST:PORT", OPT_TEXT, offsetof(struct serve, listen),
      "where (" LISTEN "); port 0 is one that is free" },
    { 0, "tls-certificate", "FILE", OPT_TEXT, offsetof(struct serve, certificate),
      "serve HTTPS with this certificate, and those above it, in PEM" },
    { 0, "tls-key", "FILE", OPT_TEXT, offsetof(struct serve, private_key),
      "the certificate's key, in PEM, without a passphrase" },
    { 0, "plain-http", NULL, OPT_FLAG, offsetof(struct serve, plain),
      "serve HTTP also on an address that is not loopback: a proxy in front of it has TLS" },
    { 0, "serve-region", "R", OPT_LIST, offsetof(struct serve, regions),
      "refuse what is signed for another region; may be repeated" },
    { 0, "buckets", "DIR", OPT_TEXT, offsetof(struct serve, buckets),
      "the folders in DIR are buckets of S3: what is imported from and exported to" },
    { 0, "exit-with-parent", NULL, OPT_FLAG, offsetof(struct serve, with_parent),
      "end when the process that started this one does" },
    { 'v', "verbose", NULL, OPT_FLAG, offsetof(struct serve, verbose),
      "a line on standard error for each request" },
    OPT_STORE(serve),
    OPT_SHARED_FS(serve),
    { 0 },
};

static const struct opt_verb serve_verb = {
    "serve",
    "[key VERB]",
    0,
    0,
    "Serves the store to clients of AWS: EC2's Query API for images and snapshots, and EBS's "
    "direct "
    "APIs. Prints its URL, which is the clients' --endpoint-url, and goes on until it is "
    "interrupted. Requests are signed with access keys that \"vmlift serve key add\" makes: the "
    "account is the key's, the region the one that the request is signed for.\n"
    "\"vmlift serve key --help\" tells about access keys.",
    opts
};

static void serve_clear(struct serve *how)
{
    opt_list_clear(&how->regions);
}

/* --- a log ------------------------------------------------------------------------------------ */

/* What went wrong here is told in any case; clients learn no more than that. */
static void log_request(void *arg, const struct vml_served *q)
{
    const struct serve *how = arg;
    char when[32];

    if (!how->verbose && q->status != 500)
        return;
    out_line(stderr, "%s %s account=%s region=%s %s %s %u %s%s%s (%.3f s)",
             out_time(when, vml_now()), q->id, q->account[0] != '\0' ? q->account : "-",
             q->region[0] != '\0' ? q->region : "-", q->service[0] != '\0' ? q->service : "-",
             q->action[0] != '\0' ? q->action : "-", q->status, q->code[0] != '\0' ? q->code : "OK",
             q->text[0] != '\0' ? ": " : "", q->text, q->seconds);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void wipe_text(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
}

static int read_pem(const char *path, char **out, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    size_t got = 0;

    if (vml_input_open(&in, path, err) < 0)
        return -1;
    *out = calloc(1, PEM_MAX + 1);
    if (*out == NULL)
        return vml_fail_nomem(err);
    if (vml_input_read(in, *out, PEM_MAX, &got, err) < 0)
        return -1;
    if (strstr(*out, "-----BEGIN ") == NULL)
        return vml_fail(err, VML_EDATA, "serve/tls", "%s: nothing in PEM is in it", path);
    return 0;
}

/* --- serving ---------------------------------------------------------------------------------- */

/* The parent may be gone before this says that it matters. */
static int bind_to_parent(pid_t parent, struct vml_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return vml_fail_errno(err, "--exit-with-parent");
    if (getppid() != parent)
        vml_interrupt();
    return 0;
}

static int say_url(const struct cli *cli, const char *url, struct vml_error *err)
{
    if (cli->json) {
        if (out_json_line(json_pack("{s:s}", "Endpoint", url), err) < 0)
            return -1;
    } else {
        out_line(stdout, "%s", url);
    }
    return out_flush(err);
}

static int serve(const struct cli *cli, struct serve *how, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *dir = NULL;
    VML_AUTO(vml_freep) char *certificate = NULL;
    VML_AUTO(wipe_text) char *key = NULL;
    VML_AUTO(vml_store_freep) struct vml_store *made = NULL;
    VML_AUTO(vml_server_freep) struct vml_server *server = NULL;

    if ((how->certificate != NULL && read_pem(how->certificate, &certificate, err) < 0) ||
        (how->private_key != NULL && read_pem(how->private_key, &key, err) < 0) ||
        local_dir(&how->local, &dir, err) < 0 ||
        local_store(&how->local, LOCAL_CREATE, &made, err) < 0)
        return -1;
    struct stat st;
    if (how->buckets != NULL && (stat(how->buckets, &st) < 0 || !S_ISDIR(st.st_mode)))
        return vml_fail(err, VML_EUSAGE, "usage/buckets", "serve: --buckets %s: not a folder",
                        how->buckets);
    const struct vml_serve_config config = {
        .dir = dir,
        .store_flags = how->local.shared_fs ? VML_STORE_SHARED_FS : 0,
        .listen = how->listen != NULL ? how->listen : LISTEN,
        .certificate = certificate,
        .private_key = key,
        .plain_anywhere = how->plain,
        .regions = how->regions.items,
        .n_regions = how->regions.n,
        .buckets = how->buckets,
        .served = log_request,
        .arg = how,
    };
    if (vml_server_start(&server, &config, err) < 0 ||
        say_url(cli, vml_server_url(server), err) < 0)
        return -1;
    vml_server_run(server);
    return 0;
}

int cmd_serve(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(serve_clear) struct serve how = { 0 };
    pid_t parent = getppid();

    if (argc > 1 && strcmp(argv[1], "key") == 0)
        return serve_key(cli, argc - 1, argv + 1, err);
    int rc = opt_parse(cli, &serve_verb, &how, argc, argv, err);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if ((how.certificate != NULL) != (how.private_key != NULL))
        return vml_fail(err, VML_EUSAGE, "usage/tls",
                        "serve: --tls-certificate and --tls-key go together");
    if (how.with_parent && bind_to_parent(parent, err) < 0)
        return -1;
    return serve(cli, &how, err);
}
