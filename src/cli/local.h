/* Where the local registry is and whose it is: options, then the environment, then defaults. */
#ifndef VMLIFT_CLI_LOCAL_H
#define VMLIFT_CLI_LOCAL_H

#include "opt.h"
#include "vmlift/key.h"
#include "vmlift/registry.h"

struct local {
    const char *store, *account, *region; /* as given; local_where fills in the last two */
    const char *passphrase_file;
    bool shared_fs;
    bool quiet;     /* asks for no passphrase: what needs one goes without */
    bool keep;      /* what the terminal was asked for is kept in `asked` */
    char asked[32]; /* a file of no name, for processes that are started: its path for them; "" */
};
#define OPT_STORE(type)                                                            \
    {                                                                              \
        0, "store", "DIR", OPT_TEXT, offsetof(struct type, local.store),           \
            "the store's folder (VMLIFT_STORE, else vmlift beneath XDG_DATA_HOME)" \
    }
/* of verbs that write */
#define OPT_SHARED_FS(type)                                                     \
    {                                                                           \
        0, "shared-fs", NULL, OPT_FLAG, offsetof(struct type, local.shared_fs), \
            "write although the store is on NFS or the like, where no other "   \
            "machine may write at the same time"                                \
    }
#define OPT_WHERE(type)                                                   \
    { 0,                                                                  \
      "account",                                                          \
      "N",                                                                \
      OPT_TEXT,                                                           \
      offsetof(struct type, local.account),                               \
      "the account, 12 digits (VMLIFT_ACCOUNT, else 000000000000)" },     \
    {                                                                     \
        0, "region", "R", OPT_TEXT, offsetof(struct type, local.region),  \
            "the region (AWS_REGION, AWS_DEFAULT_REGION, else us-east-1)" \
    }

#define OPT_PASSPHRASE(type)                                                                  \
    {                                                                                         \
        0, "passphrase-file", "FILE", OPT_TEXT, offsetof(struct type, local.passphrase_file), \
            "its first line is the key's passphrase (VMLIFT_PASSPHRASE_FILE, else "           \
            "the terminal is asked)"                                                          \
    }

/* account and region; *where points to them.  VML_EUSAGE usage/account, usage/region. */
int local_where(struct local *l, struct vml_where *where, struct vml_error *err);

enum local_open {
    LOCAL_CREATE, /* writing verbs make what is not there */
    LOCAL_WRITE,  /* these do not */
    LOCAL_READ,   /* on a file system of several machines a note says so */
    LOCAL_LIST,   /* *out is NULL where nobody named a store and none was made yet: an empty list */
};
/* Uses of keys through it are the account's; *l must outlive it. */
int local_store(struct local *l, enum local_open how, struct vml_store **out,
                struct vml_error *err);
/* Both: how most verbs begin. */
int local_open(struct local *l, enum local_open how, struct vml_where *where,
               struct vml_store **out, struct vml_error *err);
/* The file that holds the passphrase, or NULL. */
const char *local_passphrase_file(const struct local *l);
/* The folder that local_store would open; malloc'd. */
int local_dir(const struct local *l, char **out, struct vml_error *err);

/* What the disks of an AMI or a snapshot add up to, for the progress; VML_SIZE_UNKNOWN where that
 * is not to be found out. */
uint64_t local_size(struct vml_store *s, const struct vml_where *where, const char *id);

#endif
