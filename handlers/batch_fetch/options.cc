#include "handlers/batch_fetch/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "config/formats.h"
#include "shm/shared_cache.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

// A late fetch may go on so long after the longest time-out.
constexpr Millis kPatience{2'000};

std::string origin_problem(const std::string& text) {
  Result<Origin> origin = parse_origin(text);
  return origin.ok() ? std::string() : origin.error().message;
}

// What the AWS tools read, too. A pair is never made of one from here and one from there.
void read_environment(BatchFetchOptions& options, const config::Value& value) {
  if (value.has("access_key") || value.has("secret_key")) return;
  const auto read = [](const char* name, config::Secret& secret) {
    if (const char* text = std::getenv(name)) secret.value = text;
  };
  read("AWS_ACCESS_KEY_ID", options.access_key);
  read("AWS_SECRET_ACCESS_KEY", options.secret_key);
  if (!value.has("session_token")) read("AWS_SESSION_TOKEN", options.session_token);
}

void check_credentials(BatchFetchOptions& options, const config::Value& value) {
  if (options.auth == Auth::sigv4) {
    read_environment(options, value);
    const auto check = [&](const char* key, const config::Secret& secret, const char* other,
                           const char* variable) {
      if (!secret.empty() || value.has(key)) return;
      value.at(key).error(
          value.has(other)
              ? fmt::format("is needed beside {}: the environment is read only when both are left out", other)
              : fmt::format("is needed with auth = \"sigv4\", here or as {} in the environment", variable));
    };
    check("access_key", options.access_key, "secret_key", "AWS_ACCESS_KEY_ID");
    check("secret_key", options.secret_key, "access_key", "AWS_SECRET_ACCESS_KEY");
    return;
  }
  for (const char* key : {"access_key", "secret_key", "session_token"}) {
    if (value.has(key)) value.at(key).error("has no effect without auth = \"sigv4\"");
  }
}

// They stand in fields of requests.
void check_text(const config::Value& value, const char* key, const std::string& text) {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 0x7f; });
  if (!visible && value.has(key)) value.at(key).error("must have neither blanks nor control characters");
}

void check_options(BatchFetchOptions& options, const config::Value& value) {
  check_credentials(options, value);
  check_text(value, "region", options.region);
  check_text(value, "access_key", options.access_key.value);
  check_text(value, "secret_key", options.secret_key.value);
  check_text(value, "session_token", options.session_token.value);
  config::keep_in_order(value, "default_timeout", options.default_timeout, "max_timeout",
                        options.max_timeout);
  if (value.has("ca") && !options.origin.starts_with("https://")) {
    value.at("ca").error("has no effect without an origin that begins with https://");
  }
  if (value.has("style") && options.style == Style::virtual_host) {
    Result<Origin> origin = parse_origin(options.origin);
    if (origin.ok() && origin->path.empty()) {
      value.at("style").error("needs an origin with the bucket as path: it becomes part of the host");
    }
  }
}

const config::Section<CacheOptions>& cache_section() {
  static const config::Section<CacheOptions> section(
      "cache",
      "Objects that were fetched, kept for all workers in shared memory. Without this table nothing is kept.",
      {config::field(
           "size", &CacheOptions::size, config::size(shm::SharedCache::kLeastSize, uint64_t{256} << 30),
           "Memory for all workers together. Objects of more than a thousandth of it are not kept."),
       config::field("ttl", &CacheOptions::ttl, config::duration(0ms, 24h),
                     "How long objects are used about which the store says nothing (Cache-Control: max-age, "
                     "s-maxage; Expires). 0: only what the store allows."),
       config::field("negative_ttl", &CacheOptions::negative_ttl, config::duration(0ms, 24h),
                     "How long it is remembered that there is no object (404, 410). 0: not at all."),
       config::field("stale_while_revalidate", &CacheOptions::stale_while_revalidate,
                     config::duration(0ms, 24h),
                     "For so much longer an object is given out while it is asked for anew in the "
                     "background, unless the store says how long (RFC 5861).")});
  return section;
}

const config::Section<RetryOptions>& retry_section() {
  static const config::Section<RetryOptions> section(
      "retry", "Further attempts after connection failures, 5xx, 408 and 429, while there is time.",
      {config::field("attempts", &RetryOptions::attempts, config::integer<uint32_t>(0, 10),
                     "After the first; 0 for none."),
       config::field(
           "backoff", &RetryOptions::backoff, config::duration(1ms, 1min),
           "Pause before the first of them: random, half of it to all of it, and doubled each time.")});
  return section;
}

const config::Section<HedgeOptions>& hedge_section() {
  static const config::Section<HedgeOptions> section(
      "hedge",
      "A second attempt beside the first when that is slower than 95% of the fetches lately; the first "
      "answer "
      "counts.",
      {config::field("budget", &HedgeOptions::budget, config::percent(),
                     "Most second attempts, as a percentage of the fetches.")});
  return section;
}

// true, false, or a table.
config::Format<HedgeOptions> hedge() {
  config::Format<HedgeOptions> format;
  format.type = "boolean or table";
  format.read = [](const config::Value& value, HedgeOptions& options) {
    options.on = true;
    if (value.node().kind == config::Node::Kind::table) return hedge_section().read(value, &options);
    return config::flag().read(value, options.on);
  };
  format.print = [](const HedgeOptions& options) {
    return options.on ? hedge_section().print_inline(&options) : std::string("false");
  };
  format.section = &hedge_section();
  return format;
}

}  // namespace

const config::Section<BatchFetchOptions>& batch_fetch_section() {
  using Options = BatchFetchOptions;
  static const config::Section<Options> section(
      "batch_fetch",
      "Fetches many objects of an S3-compatible store for one request and answers by its deadline with what "
      "it has.",
      {config::field("origin", &Options::origin,
                     config::checked<std::string>(config::nonempty_text(), origin_problem),
                     "The store, with the bucket as path: \"http://127.0.0.1:4568/content\".")
           .required(),
       config::field("style", &Options::style,
                     config::choice<Style>({{"path", Style::path}, {"virtual_host", Style::virtual_host}}),
                     "How the bucket is named in requests: in the path, or before the host. The connection "
                     "goes to the origin's host in both cases."),
       config::field("ca", &Options::ca, config::file(),
                     "Certificates, PEM, that an https:// origin must be signed by instead of those that the "
                     "system trusts."),
       config::field("auth", &Options::auth,
                     config::choice<Auth>({{"none", Auth::none}, {"sigv4", Auth::sigv4}}),
                     "How requests to the store are signed: not at all, or with AWS Signature Version 4."),
       config::field("region", &Options::region, config::nonempty_text(),
                     "The region that is signed for. A store that names another one is believed."),
       config::field("access_key", &Options::access_key, config::secret(),
                     "The id of the key. Without it and secret_key, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
                     "and AWS_SESSION_TOKEN are read from the environment."),
       config::field("secret_key", &Options::secret_key, config::secret(), "The key."),
       config::field("session_token", &Options::session_token, config::secret(), "Of temporary credentials."),
       config::field("max_keys", &Options::max_keys, config::integer<uint32_t>(1, 10'000),
                     "Most keys of one request; more are refused with 422."),
       config::field("default_timeout", &Options::default_timeout, config::duration(1ms, 1h),
                     "For requests without \"timeout_ms\"."),
       config::field("max_timeout", &Options::max_timeout, config::duration(1ms, 1h),
                     "Most that \"timeout_ms\" may be; more is refused with 422."),
       config::field(
           "concurrency", &Options::concurrency, config::integer<uint32_t>(1, 4096),
           "Most fetches at the same time, for each worker. They are shared fairly between requests; "
           "when the store slows down, fewer are begun."),
       config::field("max_object", &Options::max_object, config::size(1, 64 << 20),
                     "Longest object; longer ones are the error \"too_large\"."),
       config::field(
           "max_answer", &Options::max_answer, config::size(1024, uint64_t{1} << 30),
           "Most bytes of objects held for one answer, of streamed ones only what the client has not "
           "read; objects that never fit are the error \"too_large\"."),
       config::field("cache", &Options::cache, config::optional(config::table(cache_section())),
                     "Keeps objects in memory."),
       config::field("coalesce", &Options::coalesce, config::flag(),
                     "Whether requests for the same key at the same time share one fetch."),
       config::field("retry", &Options::retry, config::table(retry_section()), "Further attempts."),
       config::field("hedge", &Options::hedge, hedge(),
                     "Second attempts beside slow ones: true, or a table."),
       config::field(
           "gzip", &Options::gzip, config::flag(),
           "Whether answers are compressed for clients that accept it, as long as that takes no more "
           "than a tenth of the worker's time.")},
      check_options);
  return section;
}

StoreOptions store_options(const BatchFetchOptions& options) {
  StoreOptions store;
  store.origin = *parse_origin(options.origin);
  store.style = options.style;
  store.sign = options.auth == Auth::sigv4;
  store.region = options.region;
  store.credentials = {options.access_key.value, options.secret_key.value, options.session_token.value};
  store.tls.ca = options.ca;
  store.max_object = options.max_object;
  store.patience = options.max_timeout + kPatience;
  return store;
}

BatchLimits batch_limits(const BatchFetchOptions& options) {
  BatchLimits limits;
  limits.max_keys = options.max_keys;
  limits.default_timeout = options.default_timeout;
  limits.max_timeout = options.max_timeout;
  // Only a signature makes sure that nobody on the way resolves "..".
  limits.dot_segments = options.auth == Auth::sigv4;
  return limits;
}

}  // namespace banyan::handlers
