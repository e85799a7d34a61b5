/* EC2: DescribeRegions.  Each region is there to be used: it is a name. */
#include <stdlib.h>
#include <string.h>

#include "serve/actions.h"
#include "serve/filters.h"

/* EC2 User Guide, "Available Regions": first those that an account has to ask for. */
static const char *const regions[] = {
    "af-south-1",     "ap-east-1",      "ap-south-2",     "ap-southeast-3", "ap-southeast-4",
    "eu-central-2",   "eu-south-1",     "eu-south-2",     "me-central-1",   "me-south-1",
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",     "ap-southeast-1",
    "ap-southeast-2", "ca-central-1",   "eu-central-1",   "eu-north-1",     "eu-west-1",
    "eu-west-2",      "eu-west-3",      "sa-east-1",      "us-east-1",      "us-east-2",
    "us-west-1",      "us-west-2",
};
#define ASKED_FOR   10u
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static bool is_in(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static const char *opt_in(const char *region)
{
    return is_in(region, regions, ASKED_FOR) ? "opted-in" : "opt-in-not-required";
}

static void print_region(struct vml_answer *a, const char *name, const char *endpoint)
{
    vml_xml_open(a, "item");
    vml_xml_text(a, "regionName", name);
    vml_xml_text(a, "regionEndpoint", endpoint);
    vml_xml_text(a, "optInStatus", opt_in(name));
    vml_xml_close(a, "item");
}

static int check_names(const struct vml_texts *asked, const char *const *list, size_t n,
                       struct vml_error *err)
{
    for (size_t i = 0; i < asked->n; i++)
        if (!is_in(asked->items[i], list, n))
            return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                            "Invalid region provided: %.64s", asked->items[i]);
    return 0;
}

int vml_do_describe_regions(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_wanted_clear) struct vml_wanted wanted = { NULL, 0 };
    VML_AUTO(vml_texts_clear) struct vml_texts asked = { NULL, 0 };
    const struct vml_serve_config *config = vml_server_config(r->server);
    const char *const *list = config->n_regions > 0 ? config->regions : regions;
    size_t n = config->n_regions > 0 ? config->n_regions : COUNT(regions);
    const char *endpoint = vml_request_header(r, "Host");
    bool all = false; /* of a list without those that are not opted in */

    if (vml_wanted_read(&wanted, r, "endpoint opt-in-status region-name", err) < 0 ||
        vml_param_list(r, "RegionName", &asked, err) < 0 ||
        vml_param_bool(r, &all, err, "AllRegions") < 0 || check_names(&asked, list, n, err) < 0 ||
        vml_dry_run(r, err) < 0)
        return -1;
    vml_xml_open(a, "regionInfo");
    for (size_t i = 0; i < n; i++)
        if ((asked.n == 0 || is_in(list[i], asked.items, asked.n)) &&
            vml_wanted_takes(&wanted, "region-name", list[i]) &&
            vml_wanted_takes(&wanted, "endpoint", endpoint) &&
            vml_wanted_takes(&wanted, "opt-in-status", opt_in(list[i])))
            print_region(a, list[i], endpoint);
    vml_xml_close(a, "regionInfo");
    return 0;
}
