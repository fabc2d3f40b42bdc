// batch_fetch: many objects of a store by one request, answered at the deadline at the latest with what is
// there.
//
//   body ─▶ parse ─▶ Delegator ─▶ cache, or flights ─▶ BatchAnswer ─▶ all there, or the deadline: one answer
//                                                                     (NDJSON, multipart: each at once)
//
// Time counts from the arrival of the request's head, so a slow upload eats up the client's own time. A batch
// is a BatchSession; what it shares with others (slots, connections, the store's settings) belongs to the
// BatchFetch.
#include "handlers/batch_fetch/handler.h"

#include "base/log.h"
#include "handlers/all_handlers.h"
#include "handlers/batch_fetch/session.h"
#include "shm/directory.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

// A store that is well answers something within this time.
constexpr Millis kSilence{900};

Delegator::Settings delegator_settings(const BatchFetchOptions& options) {
  Delegator::Settings settings;
  settings.slots = options.concurrency;
  settings.coalesce = options.coalesce;
  settings.retries = options.retry.attempts;
  settings.pause = options.retry.backoff;
  settings.hedge = options.hedge.on;
  settings.hedge_budget = options.hedge.budget / 10'000.0;
  return settings;
}

uint64_t shared_bytes(const config::HandlerEntry& entry) {
  const auto& options = entry.options.as<BatchFetchOptions>();
  return options.cache ? options.cache->size : 0;
}

}  // namespace

Result<std::unique_ptr<handler::Handler>> BatchFetch::make(const config::HandlerEntry& entry,
                                                           handler::Services& services) {
  const auto& options = entry.options.as<BatchFetchOptions>();
  std::unique_ptr<ObjectCache> cache;
  if (options.cache) {
    const uint32_t number = services.directory.find(shm::Kind::handler, entry.name);
    Result<shm::Region> region = shm::map_region(services.segment, shm::Kind::handler, number);
    if (!region.ok()) return std::move(region).error();
    cache = std::make_unique<ObjectCache>(*std::move(region), services.slot, services.loop,
                                          CacheSettings{options.cache->ttl, options.cache->negative_ttl,
                                                        options.cache->stale_while_revalidate});
  }
  std::unique_ptr<BatchFetch> made(new BatchFetch(entry, services, std::move(cache)));
  if (Result<void> checked = made->store_.check(); !checked.ok()) return std::move(checked).error();
  return std::unique_ptr<handler::Handler>(std::move(made));
}

BatchFetch::BatchFetch(const config::HandlerEntry& entry, handler::Services& services,
                       std::unique_ptr<ObjectCache> cache)
    : name_(entry.name),
      services_(services),
      options_(entry.options.as<BatchFetchOptions>()),
      limits_(batch_limits(options_)),
      meters_(services.counters, services.directory.find(shm::Kind::handler, entry.name)),
      cache_(std::move(cache)),
      store_(store_options(options_), services, Callback::to<&Delegator::wake>(&delegator_)),
      delegator_(services.loop, store_, cache_.get(), meters_, delegator_settings(options_)) {}

std::unique_ptr<handler::Session> BatchFetch::open(handler::Call& call) {
  const http::RequestHead& request = call.request();
  std::string_view problem;
  int status = 0;
  if (request.method != http::Method::post) {
    status = 405, problem = "use POST";
  } else if (const std::string_view encoding = request.fields.get(http::FieldId::content_encoding);
             !encoding.empty() && !http::equal_ignoring_case(encoding, "identity")) {
    status = 415, problem = "the body must not be encoded";
  } else if (request.body.kind == http::BodyKind::sized && request.body.size > longest_body(limits_)) {
    status = 413, problem = "the body is too long";
  }
  if (status == 0) return std::make_unique<BatchSession>(*this, call);
  meters_.note_request(shm::BatchResult::rejected);
  answer_problem(call, services_.buffers, status, problem);
  return nullptr;
}

Result<void> BatchFetch::purge(const handler::Purge& purge) {
  if (!cache_) return client_error(409, "handler " + name_ + " has no cache");
  const TimePoint now = services_.loop.fresh_now();
  if (purge.what == handler::Purge::What::all) {
    cache_->shared().purge_all(now);
  } else {
    cache_->shared().purge(purge.text, purge.what == handler::Purge::What::prefix, now);
  }
  return {};
}

Gzip* BatchFetch::gzip_for(const http::RequestHead& request) {
  const bool wanted = options_.gzip && prefers_gzip(request.fields);
  return wanted && gzip_.has_time(services_.loop.now()) ? &gzip_ : nullptr;
}

// One line a minute for each kind of trouble, so that no other hides it.
bool BatchFetch::is_news(std::string_view kind) {
  const TimePoint now = services_.loop.now();
  const auto [told, first] = told_.try_emplace(kind, now);
  if (!first && now - told->second < 1min) return false;
  told->second = now;
  return true;
}

void BatchFetch::note_trouble(const Piece& piece) {
  if (is_refusal(piece.status)) {
    if (is_news("refused")) {
      LOG(warn, "handler {}: the store refuses our requests: {} {}", name_, piece.status,
          piece.object ? piece.object->code : std::string());
    }
  } else if (!piece.error.empty() && piece.error != "timeout" && piece.error != "too_large") {
    if (is_news(piece.error)) {
      LOG(warn, "handler {}: {}: {}", name_, piece.error,
          piece.object ? piece.object->detail : std::string());
    }
  }
}

void BatchFetch::note_silence() {
  const Duration silence = delegator_.silence();
  if (silence < kSilence || !is_news("timeout")) return;
  LOG(warn, "handler {}: timeout: the store has answered nothing for {:.1f} s", name_,
      std::chrono::duration<double>(silence).count());
}

handler::HandlerType batch_fetch_type() {
  const config::AnySection& section = batch_fetch_section();
  return {section.name(), section.doc(), section, BatchFetch::make, shared_bytes};
}

}  // namespace banyan::handlers
