/* The endpoint's questions: parameters as they come over the wire, pages of lists, and what is
 * asked twice.
 */
#include "check.h"
#include "serve/page.h"

static struct vml_request *ask(struct vml_request *r, const char *query)
{
    struct vml_error err;

    *r = (struct vml_request){ .account = "111122223333", .region = "us-east-1" };
    CHECK_OK(vml_params_parse(&r->params, "", query, strlen(query), &err), &err);
    return r;
}

static void check_refused(const char *query, const char *slug)
{
    struct vml_params p = { 0 };
    struct vml_error err;

    CHECK(vml_params_parse(&p, query, NULL, 0, &err) < 0);
    CHECK_STR(err.slug, slug);
    vml_params_clear(&p);
}

static void test_parse(void)
{
    struct vml_request r;

    ask(&r, "Name=a+b%2Bc&Empty=&Bare&&List.2=y&List.10=z&List.1=x&X-Amz-Signature=0&Pair=a=b&U=%"
            "C3%BC");
    CHECK_INT(r.params.n, 8);
    CHECK_STR(vml_param(&r, "Name"), "a b+c");
    CHECK_STR(vml_param(&r, "Empty"), "");
    CHECK_STR(vml_param(&r, "Bare"), "");
    CHECK_STR(vml_param(&r, "Pair"), "a=b");
    CHECK_STR(vml_param(&r, "U"), "\xc3\xbc");
    CHECK(vml_param(&r, "X-Amz-Signature") == NULL);
    CHECK(vml_param(&r, "List.3") == NULL);
    CHECK_STR(vml_param(&r, "List.%u", 10u), "z");
    vml_params_clear(&r.params);

    check_refused("a=%", "MalformedQueryString");
    check_refused("a=%1", "MalformedQueryString");
    check_refused("a=%g0", "MalformedQueryString");
    check_refused("a%00=b", "MalformedQueryString");
    check_refused("a=%c3", "MalformedQueryString");
    check_refused("a=1&b=2&a=1", "MalformedQueryString");
}

static void test_list(void)
{
    struct vml_request r;
    struct vml_texts texts = { NULL, 0 };
    struct vml_error err;

    ask(&r, "L.2=y&L.10=z&L.1=x&LL.1=no&M.3.Name=n&M.3.Value.1=v");
    CHECK_OK(vml_param_list(&r, "L", &texts, &err), &err);
    CHECK_INT(texts.n, 3);
    CHECK_STR(texts.items[0], "x");
    CHECK_STR(texts.items[2], "z");
    vml_texts_clear(&texts);
    struct vml_numbers numbers = { NULL, 0 };
    CHECK_OK(vml_param_numbers(&r, &numbers, &err, "M"), &err);
    CHECK_INT(numbers.n, 1);
    CHECK_INT(numbers.items[0], 3);
    vml_numbers_clear(&numbers);
    vml_params_clear(&r.params);
}

static void check_list(const char *query, const char *list, const char *slug)
{
    struct vml_request r;
    struct vml_error err = { .slug = "" };

    ask(&r, query);
    CHECK_INT(vml_params_check(&r.params, list, &err), slug[0] != '\0' ? -1 : 0);
    CHECK_STR(err.slug, slug);
    vml_params_clear(&r.params);
}

static void test_check(void)
{
    static const char list[] = "Id Owner.# Map.#.Ebs.Size !Map.#.Ebs !Outpost";

    check_list("Action=x&Version=y&DryRun=z&Id=1&Owner.1=a&Owner.99999=b&Map.3.Ebs.Size=1", list,
               "");
    check_list("Owner=a", list, "UnknownParameter");
    check_list("Owner.=a", list, "UnknownParameter");
    check_list("Owner.0=a", list, "UnknownParameter");
    check_list("Owner.01=a", list, "UnknownParameter");
    check_list("Owner.100000=a", list, "UnknownParameter");
    check_list("Owner.1.x=a", list, "UnknownParameter");
    check_list("Id.1=a", list, "UnknownParameter");
    check_list("I=a", list, "UnknownParameter");
    check_list("Map.1.Ebs.Colour=a", list, "UnsupportedOperation");
    check_list("Outpost=a", list, "UnsupportedOperation");
    check_list("Outpost.Arn=a", list, "UnsupportedOperation");
    check_list("Outposts=a", list, "UnknownParameter");
}

/* Whatever comes, it is answered. */
static void test_noise(void)
{
    static const char seed[] =
        "Filter.1.Name=tag%3AEnv&Filter.1.Value.1=a%2Ab&Owner.1=self&Owner.2=%C3%BC";
    uint32_t state = 1;

    for (int i = 0; i < 20000; i++) {
        struct vml_request r = { .account = "111122223333" };
        struct vml_texts texts = { NULL, 0 };
        struct vml_error err;
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        for (int k = 0; k < 1 + i % 4; k++) {
            state = state * 1664525 + 1013904223;
            text[(state >> 8) % (sizeof seed - 1)] = "%&=.+0aZ\x80\xff"[(state >> 20) % 10];
        }
        if (vml_params_parse(&r.params, "", text, sizeof seed - 1, &err) == 0 &&
            vml_param_list(&r, "Owner", &texts, &err) == 0) {
            (void)vml_params_check(&r.params, "Filter.#.Name Filter.#.Value.# Owner.#", &err);
            CHECK(texts.n <= r.params.n);
        }
        vml_texts_clear(&texts);
        vml_params_clear(&r.params);
    }
}

static void test_values(void)
{
    struct vml_request r;
    struct vml_error err;
    bool flag = false;
    uint64_t n = 7;

    ask(&r, "T=True&F=false&B=yes&N=42&M=-1&L=9999999999999999999");
    CHECK_OK(vml_param_bool(&r, &flag, &err, "T"), &err);
    CHECK(flag);
    CHECK_OK(vml_param_bool(&r, &flag, &err, "F"), &err);
    CHECK(!flag);
    CHECK(vml_param_bool(&r, &flag, &err, "B") < 0);
    CHECK_OK(vml_param_number(&r, &n, &err, "none"), &err);
    CHECK_INT(n, 7);
    CHECK_OK(vml_param_number(&r, &n, &err, "N"), &err);
    CHECK_INT(n, 42);
    CHECK(vml_param_number(&r, &n, &err, "M") < 0);
    CHECK(vml_param_number(&r, &n, &err, "L") < 0);
    vml_params_clear(&r.params);
}

/* Three pages of "a" .. "g", of which "c", the last of the first page, goes meanwhile. */
static void test_pages(void)
{
    struct vml_page page;
    struct vml_request r;
    struct vml_error err;
    char token[128], query[256];
    char got[16] = "";

    snprintf(query, sizeof query, "MaxResults=3");
    for (int round = 0; round < 3; round++) {
        struct vml_answer a = { .status = 200 };
        char *text = NULL;
        size_t len;
        ask(&r, query);
        CHECK_OK(vml_page_read(&page, &r, 1, &err), &err);
        for (const char *c = "abcdefg"; *c != '\0'; c++)
            if ((round == 0 || *c != 'c') && vml_page_takes(&page, (char[]){ *c, '\0' }))
                got[strlen(got)] = *c;
        a.xml = vml_memstream(&text, &len);
        vml_page_end(&page, &a);
        CHECK_INT(fclose(a.xml), 0);
        CHECK_INT(sscanf(text, "<nextToken>%100[0-9a-f]", token), round == 2 ? EOF : 1);
        snprintf(query, sizeof query, "MaxResults=%d&NextToken=%s", round + 2, token);
        free(text);
        vml_params_clear(&r.params);
    }
    CHECK_STR(got, "abcdefg");
    /* Of another question, another account, or nothing at all. */
    static const char *const wrong[] = { "NextToken=%s&More=1", "NextToken=0%s", "NextToken=%sx" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(query, sizeof query, wrong[i], token);
        ask(&r, query);
        CHECK(vml_page_read(&page, &r, 1, &err) < 0);
        CHECK_STR(err.slug, "InvalidNextToken");
        vml_params_clear(&r.params);
    }
    snprintf(query, sizeof query, "NextToken=%s", token);
    ask(&r, query);
    CHECK_OK(vml_page_read(&page, &r, 1, &err), &err);
    memcpy(r.account, "444455556666", 13);
    CHECK(vml_page_read(&page, &r, 1, &err) < 0);
    vml_params_clear(&r.params);
}

static void test_tokens(void)
{
    struct vml_tokens *t = NULL;
    struct vml_error err;
    uint8_t one[32] = { 1 }, two[32] = { 2 };
    char *saved = NULL;
    char key[32];

    CHECK_OK(vml_tokens_new(&t, &err), &err);
    CHECK_INT(vml_tokens_begin(t, "k", one, &saved, &err), 0);
    CHECK_INT(vml_tokens_begin(t, "k", two, &saved, &err), -1);
    CHECK_STR(err.slug, "IdempotentParameterMismatch");
    vml_tokens_end(t, "k", NULL); /* it failed: again, and otherwise */
    CHECK_INT(vml_tokens_begin(t, "k", two, &saved, &err), 0);
    vml_tokens_end(t, "k", "answer");
    CHECK_INT(vml_tokens_begin(t, "k", two, &saved, &err), 1);
    CHECK_STR(saved, "answer");
    free(saved);
    /* The oldest ones are forgotten, those that are at work never. */
    CHECK_INT(vml_tokens_begin(t, "work", one, &saved, &err), 0);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        CHECK_INT(vml_tokens_begin(t, key, one, &saved, &err), 0);
        vml_tokens_end(t, key, "x");
    }
    CHECK_INT(vml_tokens_begin(t, "work", two, &saved, &err), -1);
    CHECK_INT(vml_tokens_begin(t, "k4999", one, &saved, &err), 1);
    free(saved);
    CHECK_INT(vml_tokens_begin(t, "k0", one, &saved, &err), 0);
    vml_tokens_free(t);
}

int main(void)
{
    test_parse();
    test_list();
    test_check();
    test_noise();
    test_values();
    test_pages();
    test_tokens();
    return 0;
}
