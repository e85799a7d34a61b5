/* Packages put together by GNU tar and sha256sum, read from a file and as from a pipe; and packages
 * that are written, taken apart by both. */
#include <stdarg.h>
#include <unistd.h>

#include "../../formats/ova.h"
#include "check.h"
#include "vmlift/copy.h"
#include "vmlift/package.h"

#define DISK_SIZE ((uint64_t)3 << 20)

static char dir[] = "/tmp/test_ova.XXXXXX";

static int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *fmt, ...)
{
    char command[4096];
    size_t n;
    va_list ap;

    n = (size_t)snprintf(command, sizeof command, "cd %s && ", dir);
    va_start(ap, fmt);
    vsnprintf(command + n, sizeof command - n, fmt, ap);
    va_end(ap);
    return system(command); /* NOLINT(cert-env33-c): tar and friends, on our own words */
}

static void remove_dir(void)
{
    sh("rm -rf %s", dir);
}

static const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

/* --- packages to read ----------------------------------------------------------------------- */

/* One machine with the disks a.vmdk and b.vmdk, of which b is the first on its controller. */
static const char description[] =
    "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='o'>"
    "<References><File ovf:id='fa' ovf:href='%s'/><File ovf:id='fb' "
    "ovf:href='b.vmdk'/></References>"
    "<DiskSection>"
    "<Disk ovf:diskId='da' ovf:fileRef='fa' ovf:capacity='3145728'/>"
    "<Disk ovf:diskId='db' ovf:fileRef='fb' ovf:capacity='4' "
    "ovf:capacityAllocationUnits='byte * 2^20'/></DiskSection>"
    "<VirtualSystem ovf:id='vm'><VirtualHardwareSection>"
    "<Item><InstanceID>3</InstanceID><ResourceType>6</ResourceType></Item>"
    "<Item><AddressOnParent>1</AddressOnParent><HostResource>ovf:/disk/da</HostResource>"
    "<Parent>3</Parent><ResourceType>17</ResourceType></Item>"
    "<Item><AddressOnParent>0</AddressOnParent><HostResource>ovf:/disk/db</HostResource>"
    "<Parent>3</Parent><ResourceType>17</ResourceType></Item>"
    "</VirtualHardwareSection></VirtualSystem></Envelope>\n";

static void write_description(const char *name, const char *href)
{
    FILE *f = fopen(path_of(name), "w");

    CHECK(f != NULL);
    fprintf(f, description, href);
    CHECK_INT(fclose(f), 0);
}

/* raw -> streamOptimized */
static void make_vmdk(const char *raw, const char *vmdk)
{
    struct vml_input *in;
    struct vml_output *o;
    struct vml_reader *r;
    struct vml_writer *w;
    struct vml_copy copy = { .threads = 1 };
    struct vml_error err;

    CHECK_OK(vml_input_open(&in, path_of(raw), &err), &err);
    CHECK_OK(vml_image_open(&r, vml_formats, in, "raw", &err), &err);
    CHECK_OK(vml_output_create(&o, path_of(vmdk), 0, &err), &err);
    CHECK_OK(vml_image_create(&w, &vml_format_vmdk, o, r->size, "streamOptimized", NULL, &err),
             &err);
    CHECK_OK(vml_copy(r, w, &copy, &err), &err);
    vml_writer_free(w);
    vml_reader_free(r);
}

static void make_parts(void)
{
    CHECK_INT(sh("head -c %d /dev/urandom >a.raw && truncate -s 3M a.raw && "
                 "head -c %d /dev/urandom >b.raw && truncate -s 3M b.raw",
                 700000, 1500000),
              0);
    make_vmdk("a.raw", "a.vmdk");
    make_vmdk("b.raw", "b.vmdk");
    write_description("vm.ovf", "a.vmdk");
    CHECK_INT(sh("for f in vm.ovf a.vmdk b.vmdk; do echo \"SHA256($f)= $(sha256sum <$f | "
                 "cut -c-64)\"; done >vm.mf"),
              0);
}

static void make_ova(const char *ova, const char *members)
{
    CHECK_INT(sh("tar --format=ustar -cf %s %s", ova, members), 0);
}

enum mode { FILE_MODE, PIPE_MODE };

static struct vml_input *under; /* of the pipe that was opened last */

static int open_package(struct vml_package **p, const char *name, enum mode mode,
                        struct vml_error *err)
{
    struct vml_input *in, *stream;

    vml_input_freep(&under);
    CHECK_OK(vml_input_open(&in, path_of(name), err), err);
    if (mode == FILE_MODE)
        return vml_package_open(p, vml_formats, in, NULL, err);
    CHECK_OK(vml_input_stream(&stream, in, NULL, NULL, err), err);
    under = in;
    return vml_package_open(p, vml_formats, stream, NULL, err);
}

static bool has_note(const struct vml_package *p, const char *slug)
{
    const struct vml_notes *notes = vml_package_notes(p);

    for (size_t i = 0; i < notes->n; i++)
        if (strcmp(notes->items[i].slug, slug) == 0)
            return true;
    return false;
}

static int copy_to(struct vml_reader *r, const char *name, struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy copy = { .threads = 2 };
    struct vml_output *o;

    CHECK_OK(vml_output_create(&o, path_of(name), VML_OUTPUT_FORCE, err), err);
    CHECK_OK(vml_image_create(&w, &vml_format_raw, o, r->size, NULL, NULL, err), err);
    return vml_copy(r, w, &copy, err);
}

/* Every disk in the order of storage, then the manifest. */
static int read_all(const char *name, enum mode mode, struct vml_error *err)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;

    if (open_package(&p, name, mode, err) < 0)
        return -1;
    for (;;) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        char out[32];
        size_t i;

        if (vml_package_next(p, &i, &r, err) < 0)
            return -1;
        if (r == NULL)
            break;
        snprintf(out, sizeof out, "out%zu", i);
        if (copy_to(r, out, err) < 0)
            return -1;
    }
    return vml_package_verify(p, err);
}

static void check_fails(const char *name, const char *slug)
{
    struct vml_error err;

    CHECK_FAILS(read_all(name, FILE_MODE, &err), &err, slug);
    CHECK_FAILS(read_all(name, PIPE_MODE, &err), &err, slug);
}

static void check_reads(const char *name)
{
    struct vml_error err;

    for (int mode = FILE_MODE; mode <= PIPE_MODE; mode++) {
        CHECK_INT(sh("rm -f out0 out1"), 0);
        CHECK_OK(read_all(name, (enum mode)mode, &err), &err);
        CHECK_INT(sh("cmp out0 b.raw && cmp out1 a.raw"), 0);
    }
}

/* --- reading -------------------------------------------------------------------------------- */

static void test_read(void)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err;
    size_t i;

    make_ova("good.ova", "vm.ovf vm.mf a.vmdk b.vmdk");
    check_reads("good.ova");
    make_ova("reversed.ova", "vm.ovf vm.mf b.vmdk a.vmdk");
    check_reads("reversed.ova");
    make_ova("mf-last.ova", "vm.ovf b.vmdk a.vmdk vm.mf");
    check_reads("mf-last.ova");
    make_ova("bare.ova", "vm.ovf b.vmdk a.vmdk");
    check_reads("bare.ova");
    make_ova("dots.ova", "./vm.ovf ./b.vmdk ./a.vmdk ./vm.mf");
    check_reads("dots.ova");

    CHECK_OK(open_package(&p, "good.ova", FILE_MODE, &err), &err);
    CHECK_STR(vml_package_format(p), "ova");
    CHECK_STR(vml_package_machine(p)->name, "vm");
    CHECK_INT(vml_package_count(p), 2);
    CHECK_STR(vml_package_disk(p, 0)->file, "b.vmdk");
    CHECK_INT(vml_package_disk(p, 0)->capacity, 4 << 20);
    CHECK_INT(vml_package_notes(p)->n, 0);
    CHECK_OK(vml_package_reader(p, 0, &r, &err), &err);
    CHECK_INT(r->size, DISK_SIZE);
    CHECK(r->can_seek);
    CHECK(strstr(r->name, "good.ova: b.vmdk") != NULL);
    CHECK_INT(vml_package_disk(p, 0)->capacity, DISK_SIZE); /* the disk is right */
    CHECK(has_note(p, "ovf/capacity-differs"));
    vml_reader_freep(&r);
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    CHECK_INT(i, 1); /* a.vmdk is stored first */
    CHECK(!r->can_seek);
    vml_reader_freep(&r); /* not read to its end: verify reads what is left */
    CHECK_OK(vml_package_verify(p, &err), &err);
    CHECK_OK(vml_package_verify(p, &err), &err);
    vml_package_freep(&p);

    CHECK_OK(open_package(&p, "good.ova", PIPE_MODE, &err), &err);
    CHECK_FAILS(vml_package_reader(p, 0, &r, &err), &err, "ova/needs-seek");
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    CHECK_INT(i, 1);
    vml_reader_freep(&r);
    CHECK_OK(vml_package_verify(p, &err), &err); /* reads over the rest */
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    CHECK(r == NULL);
}

static void test_names(void)
{
    CHECK_INT(sh("mkdir sub && cp a.vmdk b.vmdk sub && for f in vm.ovf vm.mf; do cp $f sub; done"),
              0);
    make_ova("sub.ova", "sub/vm.ovf sub/vm.mf sub/a.vmdk sub/b.vmdk");
    check_reads("sub.ova");
    write_description("blank.ovf", "a%20%28x%29.vmdk");
    CHECK_INT(sh("cp a.vmdk 'a (x).vmdk'"), 0);
    make_ova("blank.ova", "blank.ovf 'a (x).vmdk' b.vmdk");
    check_reads("blank.ova");
    /* what macOS keeps beside each file */
    CHECK_INT(sh("echo x >._vm.ovf && echo x >._vm.mf"), 0);
    make_ova("mac.ova", "._vm.ovf vm.ovf ._vm.mf vm.mf a.vmdk b.vmdk");
    check_reads("mac.ova");
}

static void test_notes(void)
{
    static const struct {
        const char *members, *note;
    } rows[] = {
        { "vm.ovf a.vmdk b.vmdk", "manifest/none" },
        { "vm.ovf vm.mf a.vmdk b.vmdk vm.cert", "cert/syntax" },
        { "vm.ovf more.mf a.vmdk b.vmdk", "manifest/absent" },
        { "vm.ovf sha1.mf a.vmdk b.vmdk", "manifest/sha1" },
        { "sized.ovf a.vmdk b.vmdk", "ovf/size-differs" },
    };
    struct vml_error err;

    CHECK_INT(sh("echo x >vm.cert && (cat vm.mf; sed -n 's/vm.ovf/gone.nvram/p' vm.mf) >more.mf && "
                 "for f in vm.ovf a.vmdk b.vmdk; do echo \"SHA1 ($f) = $(sha1sum <$f | "
                 "cut -c-40)\"; done >sha1.mf && "
                 "sed \"s/ovf:href='b.vmdk'/& ovf:size='7'/\" vm.ovf >sized.ovf"),
              0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int mode = FILE_MODE; mode <= PIPE_MODE; mode++) {
            VML_AUTO(vml_package_freep) struct vml_package *p = NULL;

            make_ova("note.ova", rows[i].members);
            CHECK_OK(open_package(&p, "note.ova", (enum mode)mode, &err), &err);
            CHECK_OK(vml_package_verify(p, &err), &err);
            CHECK(has_note(p, rows[i].note));
        }

    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    make_ova("order.ova", "vm.mf a.vmdk b.vmdk vm.ovf");
    CHECK_OK(open_package(&p, "order.ova", FILE_MODE, &err), &err);
    CHECK(has_note(p, "ova/order"));
    CHECK_OK(vml_package_verify(p, &err), &err);
    vml_package_freep(&p);
    CHECK_FAILS(open_package(&p, "order.ova", PIPE_MODE, &err), &err, "ova/pipe-order");
}

static void test_refused(void)
{
    static const struct {
        const char *members, *slug;
    } rows[] = {
        { "vm.ovf wrong.mf a.vmdk b.vmdk", "manifest/mismatch" },
        { "vm.ovf a.vmdk b.vmdk wrong.mf", "manifest/mismatch" },
        { "vm.ovf wrong-ovf.mf a.vmdk b.vmdk", "manifest/mismatch" },
        { "vm.ovf wrong-extra.mf a.vmdk b.vmdk vm.cert", "manifest/mismatch" },
        { "vm.ovf a.vmdk b.vmdk vm.cert wrong-extra.mf", "manifest/mismatch" },
        { "vm.ovf short.mf a.vmdk b.vmdk", "manifest/missing-member" },
        { "vm.ovf a.vmdk b.vmdk short.mf", "manifest/missing-member" },
        { "vm.ovf no-ovf.mf a.vmdk b.vmdk", "manifest/missing-member" },
        { "vm.ovf text.mf a.vmdk b.vmdk", "manifest/syntax" },
        { "vm.ovf self.mf a.vmdk b.vmdk", "manifest/syntax" },
        { "vm.ovf vm.mf a.vmdk b.vmdk more.mf", "ova/manifest" },
        { "vm.ovf vm.mf a.vmdk", "ovf/href" },
        { "vm.ovf a.vmdk b.vmdk A.VMDK", "ova/member-dup" },
        { "vm.ovf a.vmdk b.vmdk vm.ovf --hard-dereference", "ova/member-dup" },
        { "vm.ovf a.vmdk b.vmdk blank.ovf", "ova/ovf" },
        { "vm.ovf link.vmdk b.vmdk", "ova/member-type" },
        { "text.ovf a.vmdk b.vmdk", "xml/syntax" },
        { "large.ovf a.vmdk b.vmdk", "ova/text-size" },
    };
    struct vml_error err;

    CHECK_INT(sh("sed '/a.vmdk/s/= ....../= 000000/' vm.mf >wrong.mf && "
                 "sed '/vm.ovf/s/= ....../= 000000/' vm.mf >wrong-ovf.mf && "
                 "(cat vm.mf; sed -n 's/vm.ovf/vm.cert/p' vm.mf) >wrong-extra.mf && "
                 "grep -v b.vmdk vm.mf >short.mf && grep -v vm.ovf vm.mf >no-ovf.mf && "
                 "(cat vm.mf; echo hello) >text.mf && "
                 "(cat vm.mf; sed -n 's/vm.ovf/self.mf/p' vm.mf) >self.mf && "
                 "cp a.vmdk A.VMDK && ln -s a.vmdk link.vmdk && echo hello >text.ovf && "
                 "truncate -s 5M large.ovf"),
              0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_ova("bad.ova", rows[i].members);
        check_fails("bad.ova", rows[i].slug);
    }
    make_ova("bad.ova", "a.vmdk b.vmdk");
    CHECK_FAILS(read_all("bad.ova", FILE_MODE, &err), &err, "ova/ovf");
    CHECK_FAILS(read_all("bad.ova", PIPE_MODE, &err), &err, "ova/pipe-order");

    make_ova("bad.ova", "vm.ovf wrong.mf a.vmdk b.vmdk");
    CHECK_FAILS(read_all("bad.ova", FILE_MODE, &err), &err, "manifest/mismatch");
    CHECK(strstr(err.text, "bad.ova: 'a.vmdk'") != NULL && strstr(err.text, "000000") != NULL);
}

static void test_cuts(void)
{
    struct vml_error err;
    uint64_t size;
    struct vml_input *in;

    CHECK_OK(vml_input_open(&in, path_of("good.ova"), &err), &err);
    size = vml_input_size(in);
    vml_input_free(in);
    for (uint64_t cut = 1000; cut < size - 10240; cut += size / 23) {
        CHECK_INT(sh("head -c %" PRIu64 " good.ova >cut.ova", cut), 0);
        for (int mode = FILE_MODE; mode <= PIPE_MODE; mode++) {
            CHECK(read_all("cut.ova", (enum mode)mode, &err) < 0);
            CHECK_INT(vml_error_status(&err), 3);
        }
    }
}

/* Disks of other formats inside: what cannot be read front to back is read at random. */
static void test_formats(void)
{
    struct vml_error err;

    CHECK_INT(sh("mkdir raw && cp a.raw raw/a.vmdk && cp b.raw raw/b.vmdk && cp vm.ovf raw && "
                 "tar -cf no-mark.ova -C raw vm.ovf b.vmdk a.vmdk && "
                 "sed -i \"s/capacity='4'/capacity='3'/\" raw/vm.ovf && "
                 "tar -cf raw.ova -C raw vm.ovf a.vmdk b.vmdk"),
              0);
    CHECK_FAILS(read_all("no-mark.ova", FILE_MODE, &err), &err, "package/no-format");
    CHECK_OK(read_all("raw.ova", FILE_MODE, &err), &err);
    CHECK_INT(sh("cmp out0 b.raw && cmp out1 a.raw"), 0);
    CHECK_FAILS(read_all("no-mark.ova", PIPE_MODE, &err), &err, "package/no-format");
    CHECK_INT(sh("rm out0 out1"), 0);
    CHECK_OK(read_all("raw.ova", PIPE_MODE, &err), &err);
    CHECK_INT(sh("cmp out0 b.raw && cmp out1 a.raw"), 0);
    CHECK_INT(sh("cp raw.ova raw/a.vmdk && tar -cf nested.ova -C raw vm.ovf b.vmdk a.vmdk"), 0);
    CHECK_FAILS(read_all("nested.ova", FILE_MODE, &err), &err, "image/package");
    if (sh("command -v qemu-img >/dev/null") != 0)
        return;
    CHECK_INT(sh("mkdir q && cp vm.ovf q && "
                 "qemu-img convert -f raw -O vmdk -o subformat=monolithicSparse a.raw q/a.vmdk && "
                 "qemu-img convert -f raw -O vmdk -o subformat=streamOptimized b.raw q/b.vmdk && "
                 "(cd q && for f in vm.ovf a.vmdk b.vmdk; do echo \"SHA256($f)= $(sha256sum <$f | "
                 "cut -c-64)\"; done >vm.mf) && tar -cf q.ova -C q vm.ovf vm.mf a.vmdk b.vmdk && "
                 "printf x | dd of=q/a.vmdk bs=1 seek=3000000 conv=notrunc 2>dd.err; "
                 "tar -cf q-bad.ova -C q vm.ovf vm.mf a.vmdk b.vmdk"),
              0);
    CHECK_OK(read_all("q.ova", FILE_MODE, &err), &err);
    CHECK_INT(sh("cmp out0 b.raw && cmp out1 a.raw"), 0);
    CHECK_FAILS(read_all("q-bad.ova", FILE_MODE, &err), &err, "manifest/mismatch");
}

/* --- lone disks ----------------------------------------------------------------------------- */

static void test_lone(void)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    struct vml_reader *r = NULL;
    struct vml_reader *s = NULL;
    struct vml_error err;
    size_t i;

    CHECK_OK(open_package(&p, "a.vmdk", FILE_MODE, &err), &err);
    CHECK_STR(vml_package_format(p), "vmdk");
    CHECK_STR(vml_package_machine(p)->name, "a");
    CHECK_INT(vml_package_count(p), 1);
    CHECK_STR(vml_package_disk(p, 0)->file, "a.vmdk");
    CHECK_INT(vml_package_disk(p, 0)->capacity, DISK_SIZE);
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    CHECK_INT(i, 0);
    CHECK_OK(vml_package_reader(p, 0, &s, &err), &err); /* both at once */
    CHECK_OK(copy_to(s, "out", &err), &err);
    CHECK_INT(sh("cmp out a.raw"), 0);
    vml_reader_freep(&s);
    vml_reader_freep(&r);
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    CHECK(r == NULL);
    CHECK_OK(vml_package_verify(p, &err), &err);
    vml_package_freep(&p);

    CHECK_OK(open_package(&p, "a.vmdk", PIPE_MODE, &err), &err);
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    CHECK_OK(copy_to(r, "out", &err), &err);
    CHECK_INT(sh("cmp out a.raw"), 0);
    vml_reader_freep(&r);
    CHECK_FAILS(vml_package_reader(p, 0, &r, &err), &err, "package/once");
    vml_package_freep(&p);

    CHECK_INT(sh("printf 'QED\\000' >a.qed"), 0);
    CHECK_FAILS(open_package(&p, "a.qed", FILE_MODE, &err), &err, "image/foreign");
    CHECK(strncmp(err.text, path_of("a.qed"), strlen(path_of("a.qed"))) == 0);
}

/* --- writing -------------------------------------------------------------------------------- */

static int write_ova(const char *name, size_t n, const char *options, struct vml_error *err)
{
    static const char *const raw[] = { "a.raw", "b.raw" };
    static const struct vml_machine machine = {
        .name = "My <VM>", .cpus = 2, .memory = (uint64_t)2 << 30, .firmware = VML_FIRMWARE_UEFI
    };
    const struct vml_new_disk disks[] = { { .size = DISK_SIZE }, { .size = DISK_SIZE } };
    VML_AUTO(vml_package_out_freep) struct vml_package_out *p = NULL;
    struct vml_output *o;

    CHECK_OK(vml_output_create(&o, path_of(name), VML_OUTPUT_FORCE, err), err);
    if (vml_package_create(&p, vml_formats, &vml_format_ova, o, &machine, disks, n, NULL, options,
                           err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
        struct vml_copy copy = { .threads = 2 };
        struct vml_input *in;

        CHECK_OK(vml_input_open(&in, path_of(raw[i]), err), err);
        CHECK_OK(vml_image_open(&r, vml_formats, in, "raw", err), err);
        CHECK_OK(vml_package_add(p, i, &w, err), err);
        CHECK_OK(vml_copy(r, w, &copy, err), err);
    }
    return vml_package_finish(p, err);
}

static void test_write(void)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    struct vml_error err;

    CHECK_OK(write_ova("New VM (1).ova", 2, NULL, &err), &err);
    CHECK_INT(
        sh("tar -tf 'New VM (1).ova' >list 2>&1 && printf '%%s\\n' New_VM__1_.ovf New_VM__1_.mf "
           "New_VM__1_-disk1.vmdk New_VM__1_-disk2.vmdk | cmp - list"),
        0);
    CHECK_INT(sh("mkdir x && tar -xf 'New VM (1).ova' -C x && cd x && "
                 "sed -n 's/^SHA256(\\(.*\\))= \\(.*\\)$/\\2  \\1/p' New_VM__1_.mf >sums && "
                 "[ $(wc -l <sums) = 3 ] && sha256sum -c --quiet sums"),
              0);
    CHECK_OK(open_package(&p, "New VM (1).ova", FILE_MODE, &err), &err);
    CHECK_STR(vml_package_machine(p)->name, "My <VM>");
    CHECK_INT(vml_package_machine(p)->cpus, 2);
    CHECK_INT(vml_package_machine(p)->memory, (uint64_t)2 << 30);
    CHECK_INT(vml_package_machine(p)->firmware, VML_FIRMWARE_UEFI);
    CHECK_INT(vml_package_disk(p, 0)->capacity, DISK_SIZE);
    CHECK_INT(vml_package_notes(p)->n, 0); /* among them: ovf:size is right */
    for (int mode = FILE_MODE; mode <= PIPE_MODE; mode++) {
        CHECK_INT(sh("rm -f out0 out1"), 0);
        CHECK_OK(read_all("New VM (1).ova", (enum mode)mode, &err), &err);
        CHECK_INT(sh("cmp out0 a.raw && cmp out1 b.raw"), 0);
    }

    CHECK_OK(write_ova("o.ova", 1, "manifest=sha512,hw=vmx-19", &err), &err);
    CHECK_INT(
        sh("tar -xOf o.ova o.mf | grep -c '^SHA512(o[^ ]*)= [0-9a-f]\\{128\\}$' | grep -qx 2 && "
           "tar -xOf o.ova o.ovf | grep -q '>vmx-19<'"),
        0);
    CHECK_OK(read_all("o.ova", PIPE_MODE, &err), &err);
    CHECK_OK(write_ova("o.ova", 1, "manifest=sha1", &err), &err);
    CHECK_OK(read_all("o.ova", PIPE_MODE, &err), &err);
    CHECK_OK(write_ova("o.ova", 1, "manifest=none", &err), &err);
    CHECK_INT(sh("tar -tf o.ova | tr '\\n' ' ' | grep -qx 'o.ovf o-disk1.vmdk '"), 0);
    CHECK_OK(read_all("o.ova", PIPE_MODE, &err), &err);
}

/* Sizes up to 8 GiB in octal, from there on in base 256. */
static void test_header(void)
{
    static const uint64_t sizes[] = { 0, 1, (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33,
                                      (UINT64_C(9) << 30) + 5 };
    const char *path = path_of("big.tar");
    uint8_t header[512];
    struct vml_error err;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
        uint64_t second = 512 + vml_round_up(sizes[i], 512);

        CHECK_OK(vml_output_create(&o, path, VML_OUTPUT_FORCE, &err), &err);
        CHECK_OK(vml_output_resize(o, second + 3 * 512, &err), &err);
        ova_print_header(header, "big.vmdk", sizes[i]);
        CHECK_OK(vml_output_pwrite(o, header, sizeof header, 0, &err), &err);
        ova_print_header(header, "after", 0);
        CHECK_OK(vml_output_pwrite(o, header, sizeof header, second, &err), &err);
        CHECK_OK(vml_output_commit(o, &err), &err);
        CHECK_INT(sh("tar -tvf big.tar 2>&1 | awk '{ print $1, $2, $3, $NF }' >list && "
                     "printf '%%s\n' '-rw-r--r-- 0/0 %" PRIu64 " big.vmdk' "
                     "'-rw-r--r-- 0/0 0 after' | cmp - list",
                     sizes[i]),
                  0);
    }
}

static void test_write_refused(void)
{
    struct vml_package_out *p = NULL;
    struct vml_machine machine = { 0 };
    struct vml_new_disk sizes[121] = { { .size = DISK_SIZE }, { .size = DISK_SIZE } };
    struct vml_output *o, *pipe;
    struct vml_error err;

    CHECK_INT(sh("rm o.ova"), 0);
    CHECK_FAILS(write_ova("o.ova", 1, "manifest=md5", &err), &err, "image/option");
    CHECK_FAILS(write_ova("o.ova", 1, "hw=virtualbox-2.2", &err), &err, "image/option");
    CHECK_FAILS(write_ova("o.ova", 1, "level=0", &err), &err, "image/option");
    CHECK_OK(vml_output_create(&o, path_of("o.ova"), 0, &err), &err);
    CHECK_FAILS(vml_package_create(&p, vml_formats, &vml_format_ova, o, &machine, sizes, 121, NULL,
                                   NULL, &err),
                &err, "ova/disks");
    CHECK_OK(vml_output_create(&o, path_of("o.ova"), 0, &err), &err);
    CHECK_FAILS(vml_package_create(&p, vml_formats, &vml_format_ova, o, &machine, sizes, 1, "zip",
                                   NULL, &err),
                &err, "image/subformat");
    CHECK_OK(vml_output_create(&o, path_of("o.raw"), 0, &err), &err);
    CHECK_FAILS(vml_package_create(&p, vml_formats, &vml_format_raw, o, &machine, sizes, 2, NULL,
                                   NULL, &err),
                &err, "package/one-disk");
    CHECK_OK(vml_output_create(&o, path_of("o.ova"), 0, &err), &err);
    CHECK_OK(vml_output_append(&pipe, o, "pipe", NULL, NULL, &err), &err);
    CHECK_FAILS(vml_package_create(&p, vml_formats, &vml_format_ova, pipe, &machine, sizes, 1, NULL,
                                   NULL, &err),
                &err, "image/needs-seek");
    vml_output_free(o);
    /* given up half way */
    CHECK_OK(vml_output_create(&o, path_of("o.ova"), 0, &err), &err);
    CHECK_OK(vml_package_create(&p, vml_formats, &vml_format_ova, o, &machine, sizes, 2, NULL, NULL,
                                &err),
             &err);
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    CHECK_OK(vml_package_add(p, 0, &w, &err), &err);
    vml_writer_freep(&w);
    vml_package_out_freep(&p);
    CHECK(sh("[ -e o.ova ] || [ -e o.raw ] || ls -a | grep -q part") != 0);
}

int main(void)
{
    CHECK(mkdtemp(dir) != NULL);
    atexit(remove_dir);
    make_parts();
    test_read();
    test_names();
    test_notes();
    test_refused();
    test_cuts();
    test_formats();
    test_lone();
    test_write();
    test_header();
    test_write_refused();
    vml_input_freep(&under);
    return 0;
}
