/* Bytes in files, devices, pipes and archive members.  Knows nothing about disks. */
#ifndef VMLIFT_IO_H
#define VMLIFT_IO_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VML_SIZE_UNKNOWN UINT64_MAX
#define VML_PEEK_MAX     65536u /* the most that vml_input_peek looks ahead */

struct vml_input;
struct vml_output;

/* Sees bytes in the order in which they pass, each once: for digests. */
typedef void vml_tap(void *arg, const void *buf, size_t len);

/* --- inputs --------------------------------------------------------------------------------- */

/* A file, a block device, or "-" for standard input.  Errors name the path: io/not-found,
 * io/denied, input/kind (a directory, socket or terminal), io/error.  A file that grows shorter
 * while it is read is VML_EIO source/changed; see vml_input_unchanged. */
int vml_input_open(struct vml_input **out, const char *path, struct vml_error *err);
/* The same; where path is a folder, the one file in it whose name ends with suffix (".ovf", in
 * either case), which must be no link.  VML_EDATA input/folder names two where there are several.
 */
int vml_input_open_in(struct vml_input **out, const char *path, const char *suffix,
                      struct vml_error *err);
/* Bytes [off, off+size) of another seekable input (a member of a tar): seekable too, and as sparse.
 * `of` must outlive it.  VML_EDATA input/truncated when the range does not fit. */
int vml_input_window(struct vml_input **out, struct vml_input *of, const char *name, uint64_t off,
                     uint64_t size, struct vml_error *err);
/* The same bytes front to back only (can_seek is false, the size stays known), each shown to tap.
 * `of` must be seekable and outlive it; of's own read position is not used. */
int vml_input_stream(struct vml_input **out, struct vml_input *of, vml_tap *tap, void *arg,
                     struct vml_error *err);
/* A sequential input over a callback, which returns up to len bytes in *got, 0 at the end.  arg is
 * the caller's and must outlive the input.  size may be VML_SIZE_UNKNOWN. */
typedef int vml_pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err);
int vml_input_callback(struct vml_input **out, const char *name, uint64_t size, vml_pull *pull,
                       void *arg, struct vml_error *err);
/* A seekable input over functions, which any thread may call: as vml_input_pread and vml_input_run,
 * within size.  arg is the caller's and must outlive the input. */
struct vml_random_ops {
    int (*pread)(void *arg, void *buf, size_t len, uint64_t off, struct vml_error *err);
    int (*run)(void *arg, uint64_t off, bool *hole, uint64_t *end, struct vml_error *err);
};
int vml_input_random(struct vml_input **out, const char *name, uint64_t size,
                     const struct vml_random_ops *ops, void *arg, struct vml_error *err);
/* The arg of a callback, or of such functions, becomes the input's own: drop(arg) is called when
 * the input is freed. */
void vml_input_on_free(struct vml_input *in, void (*drop)(void *arg));
/* What a callback reads from, for vml_input_unchanged; it must outlive `in`. */
void vml_input_reads_from(struct vml_input *in, struct vml_input *of);
/* "gzip", "xz", "zstd" or "bzip2" where the first bytes say that the whole of `in` is compressed,
 * else NULL.  Only before the first read. */
int vml_input_compression(struct vml_input *in, const char **kind, struct vml_error *err);
/* What is inside `of`, front to back only.  size is what is known of it, or VML_SIZE_UNKNOWN; more
 * than limit bytes are VML_EDATA input/bomb.  Also input/truncated, input/damaged (a checksum, or
 * bytes behind the end), and input/nested: compressed twice.  Takes `of` over when it succeeds. */
int vml_input_decompress(struct vml_input **out, struct vml_input *of, uint64_t size,
                         uint64_t limit, struct vml_error *err);
/* The file called `name` beside the file `in`: opened only beneath the folder that in's path names,
 * and through no symbolic link on the way (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
 * VML_EREFUSED input/outside for an absolute name, "..", a link or a URL; io/not-found;
 * VML_EUNSUPPORTED input/no-folder where `in` is a pipe, a stream or a window that leaves something
 * out; input/kind where it is no plain file. */
int vml_input_sibling(struct vml_input **out, struct vml_input *in, const char *name,
                      struct vml_error *err);
/* The same of a folder that is named, in which anything may have a colon in its name. */
int vml_input_beneath(struct vml_input **out, const char *folder, const char *name,
                      struct vml_error *err);
/* From now on `in` has no folder: what lies in a package is read by itself. */
void vml_input_alone(struct vml_input *in);
/* Is the file that `in` reads from, through windows, streams and callbacks that say so, still the
 * one that was opened?  VML_EIO source/changed when its size or the time of its last write is
 * another, or another file has its name.  What was written within the clock's grain of the time it
 * was opened, or by one who sets the time back, is out of reach; so are pipes and devices (0). */
int vml_input_unchanged(const struct vml_input *in, struct vml_error *err);
void vml_input_free(struct vml_input *in);
void vml_input_freep(struct vml_input **in);

const char *vml_input_name(const struct vml_input *in); /* as opened; "(stdin)" for "-" */
uint64_t vml_input_size(const struct vml_input *in);    /* VML_SIZE_UNKNOWN for a pipe */
bool vml_input_can_seek(const struct vml_input *in);

/* The first bytes, without consuming any; *have < want only when the input is shorter.  want is at
 * most VML_PEEK_MAX.  *p stays valid until the next call on `in`.  Only before the first read. */
int vml_input_peek(struct vml_input *in, size_t want, const void **p, size_t *have,
                   struct vml_error *err);
/* The next bytes in order; *got < len only at the end of the input.  One thread at a time. */
int vml_input_read(struct vml_input *in, void *buf, size_t len, size_t *got, struct vml_error *err);
/* Exactly len bytes at off.  Any thread, in parallel.  Needs can_seek.  Past the end: VML_EDATA
 * input/truncated, naming what was wanted and where the input ends. */
int vml_input_pread(struct vml_input *in, void *buf, size_t len, uint64_t off,
                    struct vml_error *err);
/* The run that starts at off: data or hole, and where it ends (SEEK_DATA / SEEK_HOLE).  Everything
 * is data where that cannot be known.  Any thread.  Needs can_seek and off < size. */
int vml_input_run(struct vml_input *in, uint64_t off, bool *hole, uint64_t *end,
                  struct vml_error *err);

/* --- outputs -------------------------------------------------------------------------------- */

enum {
    VML_OUTPUT_FORCE = 1,   /* replace an existing file; write to a block device */
    VML_OUTPUT_PRIVATE = 2, /* a new file is its owner's alone: mode 0600 */
};

/* A new file, a block device, or "-" for standard output.  A file has no name until commit: freed
 * (or killed) before that, nothing is left.  Errors name the path: output/exists (VML_EEXISTS)
 * without VML_OUTPUT_FORCE, io/denied, io/full, output/kind. */
int vml_output_create(struct vml_output **out, const char *path, unsigned flags,
                      struct vml_error *err);
/* Appends to `of`, which must outlive it, and shows tap (may be NULL) every byte; can_seek is
 * false; commit and free leave `of` as it is. */
int vml_output_append(struct vml_output **out, struct vml_output *of, const char *name,
                      vml_tap *tap, void *arg, struct vml_error *err);
/* Hands every byte on, in order, to push, which takes all of them or fails; can_seek is false, and
 * what commit means is for whoever made it to say.  arg is the caller's and must outlive it. */
typedef int vml_push(void *arg, const void *buf, size_t len, struct vml_error *err);
int vml_output_callback(struct vml_output **out, const char *name, vml_push *push, void *arg,
                        struct vml_error *err);
/* A file called `name` (without a folder) beside the file `of`, of which it is a part: seekable,
 * nameless until of's commit, which names it before `of` itself.  It stays of's and is freed with
 * it.  Fails before a byte is written: output/exists without VML_OUTPUT_FORCE, output/kind, and
 * VML_EUNSUPPORTED output/no-folder where `of` is a pipe, a device, or appended to something. */
int vml_output_sibling(struct vml_output **out, struct vml_output *of, const char *name,
                       struct vml_error *err);
const char *vml_output_name(const struct vml_output *o);
bool vml_output_can_seek(const struct vml_output *o);
uint64_t vml_output_tell(const struct vml_output *o); /* where the next vml_output_write goes */
/* Bytes at the end of what vml_output_write wrote so far.  One thread at a time. */
int vml_output_write(struct vml_output *o, const void *buf, size_t len, struct vml_error *err);
/* Bytes at off; does not move the end that vml_output_write appends to.  Any thread, in parallel.
 * Needs can_seek. */
int vml_output_pwrite(struct vml_output *o, const void *buf, size_t len, uint64_t off,
                      struct vml_error *err);
/* Make [off, off+len) read as zeroes.  Free of cost where the file was never written; a device is
 * zeroed for real.  Any thread.  Needs can_seek. */
int vml_output_zero(struct vml_output *o, uint64_t off, uint64_t len, struct vml_error *err);
/* Set the file's length (new bytes are holes), before any pwrite beyond it; a device must be at
 * least as large (output/device-size).  Needs can_seek. */
int vml_output_resize(struct vml_output *o, uint64_t size, struct vml_error *err);
/* What was written so far is on the disk, under no name yet: so that a commit which others wait for
 * is short. */
int vml_output_flush(struct vml_output *o, struct vml_error *err);
/* Durable and under its name when it returns: fdatasync, link or rename, fsync of the folder.
 * With siblings: they first, `of` last, and after a failure all as it was before.  A file of that
 * name is replaced at one stroke; where there are siblings a crash between may leave neither the
 * old `of` nor the new one under its name, but never one with the other's siblings. */
int vml_output_commit(struct vml_output *o, struct vml_error *err);
void vml_output_free(struct vml_output *o);
void vml_output_freep(struct vml_output **o);
/* What an output is to be called that goes by the name `entry` until its commit: the length of that
 * name, which begins at entry + 1; 0: no output goes by such a name.  Who was killed may have left
 * the file behind, and who knows that nobody writes that output may remove it. */
size_t vml_output_part_of(const char *entry);

/* --- archives ------------------------------------------------------------------------------- */

/* A tar, member by member (libarchive underneath: ustar, GNU, pax; no compression). */
struct vml_archive;
struct vml_member {
    const char *name; /* valid until the next vml_archive_next */
    uint64_t size;
    uint64_t off; /* of its data in the input; VML_SIZE_UNKNOWN on a pipe */
};
/* `in` must outlive the archive and is used by nobody else meanwhile. */
int vml_archive_open(struct vml_archive **out, struct vml_input *in, struct vml_error *err);
/* *got is false at the end.  Refused by name (VML_EDATA): ova/member-type (links, devices, sparse
 * members), ova/member-name (absolute, "..", backslash, control bytes), input/truncated,
 * ova/container. */
int vml_archive_next(struct vml_archive *a, struct vml_member *m, bool *got, struct vml_error *err);
/* The current member's bytes, in order (on a pipe the only way to them). */
int vml_archive_read(struct vml_archive *a, void *buf, size_t len, size_t *got,
                     struct vml_error *err);
void vml_archive_free(struct vml_archive *a);
void vml_archive_freep(struct vml_archive **a);

#ifdef __cplusplus
}
#endif
#endif
