// The options of [handler.NAME] with type = "batch_fetch".
#pragma once

#include <optional>
#include <string>

#include "config/section.h"
#include "config/values.h"
#include "handlers/batch_fetch/object_store.h"
#include "handlers/batch_fetch/request.h"

namespace banyan::handlers {

enum class Auth { none, sigv4 };

struct CacheOptions {
  uint64_t size = 64 << 20;
  Millis ttl{60'000};
  Millis negative_ttl{5'000};
  Millis stale_while_revalidate{0};
  bool operator==(const CacheOptions&) const = default;
};

struct RetryOptions {
  uint32_t attempts = 4;
  Millis backoff{25};
  bool operator==(const RetryOptions&) const = default;
};

struct HedgeOptions {
  bool on = false;
  uint32_t budget = 500;  // hundredths of a percent
  bool operator==(const HedgeOptions&) const = default;
};

struct BatchFetchOptions {
  std::string origin;
  Style style = Style::path;
  Auth auth = Auth::none;
  std::string region = "us-east-1";
  config::Secret access_key;
  config::Secret secret_key;
  config::Secret session_token;
  config::FileRef ca;
  uint32_t max_keys = 1000;
  Millis default_timeout{1200};
  Millis max_timeout{10'000};
  uint32_t concurrency = 256;
  uint64_t max_object = 4 << 20;
  uint64_t max_answer = 64 << 20;
  std::optional<CacheOptions> cache;
  bool coalesce = true;
  RetryOptions retry;
  HedgeOptions hedge;
  bool gzip = true;
  bool operator==(const BatchFetchOptions&) const = default;
};

const config::Section<BatchFetchOptions>& batch_fetch_section();

StoreOptions store_options(const BatchFetchOptions& options);
BatchLimits batch_limits(const BatchFetchOptions& options);

}  // namespace banyan::handlers
