/* The one SQL schema: plain enough for any SQL server.  Times are seconds since 1970, digests are
 * 32-byte blobs, sizes are bytes unless the column says GiB.  The last column of each table, sum,
 * is the row's checksum (rows.c). */
#include "catalog/schema.h"

const char vml_schema[] =
    "CREATE TABLE packs ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;"
    /* Where a block is; type says what it holds: data, a leaf or a root of a tree, a record. */
    "CREATE TABLE blocks ("
    "  address BLOB PRIMARY KEY NOT NULL,"
    "  pack TEXT NOT NULL REFERENCES packs (id),"
    "  off INTEGER NOT NULL,"
    "  stored INTEGER NOT NULL,"
    "  raw INTEGER NOT NULL,"
    "  codec INTEGER NOT NULL,"
    "  type INTEGER NOT NULL,"
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE INDEX blocks_pack ON blocks (pack);"
    /* seq: the order in which they were made */
    "CREATE TABLE snapshots ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  seq INTEGER NOT NULL,"
    "  owner TEXT NOT NULL,"
    "  region TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  data_size INTEGER NOT NULL,"
    "  root BLOB NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  description TEXT NOT NULL,"
    "  key TEXT NOT NULL,"    /* of an encrypted one; "" */
    "  sealed BLOB NOT NULL," /* its description, encrypted; else nothing */
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE INDEX snapshots_seq ON snapshots (seq, id);"
    "CREATE INDEX snapshots_key ON snapshots (key);"
    "CREATE TABLE images ("
    "  id TEXT PRIMARY KEY NOT NULL,"
    "  seq INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  description TEXT NOT NULL,"
    "  owner TEXT NOT NULL,"
    "  region TEXT NOT NULL,"
    "  architecture TEXT NOT NULL,"
    "  virtualization TEXT NOT NULL,"
    "  boot_mode TEXT NOT NULL,"
    "  root_device TEXT NOT NULL,"
    "  root_type TEXT NOT NULL,"
    "  platform TEXT NOT NULL,"
    "  kernel TEXT NOT NULL,"
    "  ramdisk TEXT NOT NULL,"
    "  tpm TEXT NOT NULL,"
    "  sriov TEXT NOT NULL,"
    "  imds TEXT NOT NULL,"
    "  ena INTEGER NOT NULL,"
    "  state TEXT NOT NULL,"
    "  location TEXT NOT NULL,"
    "  source TEXT NOT NULL,"
    "  source_format TEXT NOT NULL,"
    "  source_image TEXT NOT NULL,"
    "  source_region TEXT NOT NULL,"
    "  crash_consistent INTEGER NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  deprecated INTEGER NOT NULL,"
    "  protection TEXT NOT NULL,"
    "  protected_until INTEGER NOT NULL,"
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE INDEX images_seq ON images (seq, id);"
    /* Not UNIQUE: who registers must take a free name, a copy may have any (registry.c). */
    "CREATE INDEX images_name ON images (region, name);"
    "CREATE TABLE mappings ("
    "  image TEXT NOT NULL REFERENCES images (id),"
    "  position INTEGER NOT NULL,"
    "  device TEXT NOT NULL,"
    "  snapshot TEXT NOT NULL,"
    "  size_gib INTEGER NOT NULL,"
    "  volume_type TEXT NOT NULL,"
    "  iops INTEGER NOT NULL,"
    "  throughput INTEGER NOT NULL,"
    "  delete_on_termination INTEGER NOT NULL,"
    "  encrypted INTEGER NOT NULL,"
    "  virtual_name TEXT NOT NULL,"
    "  no_device INTEGER NOT NULL,"
    "  sum BLOB NOT NULL,"
    "  PRIMARY KEY (image, position)"
    ") WITHOUT ROWID;"
    "CREATE INDEX mappings_snapshot ON mappings (snapshot);"
    "CREATE TABLE tags ("
    "  resource TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  sum BLOB NOT NULL,"
    "  PRIMARY KEY (resource, key)"
    ") WITHOUT ROWID;"
    /* Who may use an image or a snapshot of another account: kind is launch, create-volume or
       read-bucket, grantee an account or "all". */
    "CREATE TABLE grants ("
    "  resource TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  grantee TEXT NOT NULL,"
    "  sum BLOB NOT NULL,"
    "  PRIMARY KEY (resource, kind, grantee)"
    ") WITHOUT ROWID;"
    "CREATE INDEX grants_grantee ON grants (grantee, resource);"
    /* type: billing, marketplace or devpay */
    "CREATE TABLE codes ("
    "  resource TEXT NOT NULL,"
    "  type TEXT NOT NULL,"
    "  code TEXT NOT NULL,"
    "  sum BLOB NOT NULL,"
    "  PRIMARY KEY (resource, type, code)"
    ") WITHOUT ROWID;"
    /* What was done to an image or a snapshot, when, and by which account. */
    "CREATE TABLE history ("
    "  resource TEXT NOT NULL,"
    "  position INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  account TEXT NOT NULL,"
    "  action TEXT NOT NULL,"
    "  detail TEXT NOT NULL,"
    "  sum BLOB NOT NULL,"
    "  PRIMARY KEY (resource, position)"
    ") WITHOUT ROWID;"
    /* The newest record of each object, also of those that are gone; seq and after are its numbers
       (store/record.c), address is that of its frame. */
    "CREATE TABLE records ("
    "  object TEXT PRIMARY KEY NOT NULL,"
    "  seq INTEGER NOT NULL,"
    "  after INTEGER NOT NULL,"
    "  address BLOB NOT NULL,"
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE counters ("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  value INTEGER NOT NULL,"
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;"
    /* How many rows each table above has, and the sum of their sums. */
    "CREATE TABLE totals ("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  rows INTEGER NOT NULL,"
    "  total BLOB NOT NULL,"
    "  sum BLOB NOT NULL"
    ") WITHOUT ROWID;";

const struct vml_sql_table vml_tables[] = {
    { "packs", "ti", { "id", "bytes" }, 1, -1 },
    { "blocks", "btiiiii", { "address", "pack", "off", "stored", "raw", "codec", "type" }, 1, -1 },
    { "snapshots",
      "tittiibittb",
      { "id", "seq", "owner", "region", "size", "data_size", "root", "created", "description",
        "key", "sealed" },
      1,
      0 },
    { "images",
      "titttttttttttttttittttttiiiti",
      { "id",
        "seq",
        "name",
        "description",
        "owner",
        "region",
        "architecture",
        "virtualization",
        "boot_mode",
        "root_device",
        "root_type",
        "platform",
        "kernel",
        "ramdisk",
        "tpm",
        "sriov",
        "imds",
        "ena",
        "state",
        "location",
        "source",
        "source_format",
        "source_image",
        "source_region",
        "crash_consistent",
        "created",
        "deprecated",
        "protection",
        "protected_until" },
      1,
      0 },
    { "mappings",
      "tittitiiiiti",
      { "image", "position", "device", "snapshot", "size_gib", "volume_type", "iops", "throughput",
        "delete_on_termination", "encrypted", "virtual_name", "no_device" },
      2,
      0 },
    { "tags", "ttt", { "resource", "key", "value" }, 2, 0 },
    { "grants", "ttt", { "resource", "kind", "grantee" }, 3, 0 },
    { "codes", "ttt", { "resource", "type", "code" }, 3, 0 },
    { "history", "tiittt", { "resource", "position", "at", "account", "action", "detail" }, 2, 0 },
    { "records", "tiib", { "object", "seq", "after", "address" }, 1, -1 },
    { "counters", "ti", { "name", "value" }, 1, -1 },
    { "totals", "tib", { "name", "rows", "total" }, 1, -1 },
};
const size_t vml_n_tables = sizeof vml_tables / sizeof vml_tables[0];
