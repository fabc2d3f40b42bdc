#include "handlers/event_dispatch/publisher.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/json_text.h"
#include "base/stable_hash.h"
#include "base/utf8.h"
#include "event/loop.h"
#include "http/head.h"

namespace banyan::handlers {
namespace {

using shm::EventKind;
using shm::PublishResult;

PublishResult result_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return PublishResult::unauthorized;
    case 413:
      return PublishResult::too_large;
    case 429:
      return PublishResult::too_fast;
    case 503:
      return PublishResult::failed;
    default:
      return PublishResult::invalid;
  }
}

constexpr std::string_view kNotJson = "the body is not JSON, or nested deeper than 512 levels";
static_assert(kDeepestJson == 512);

// So that no client can use up the keys of a source, whose entries it would keep from being published.
std::string key_of(const NewEvent& event) {
  if (event.key.empty()) return {};
  return fmt::format("{} {}", event.from_source ? "source" : "client", event.key);
}

}  // namespace

PublishAnswer refusal(int status, std::string detail, std::string_view challenge) {
  PublishAnswer answer;
  answer.status = status;
  answer.detail = std::move(detail);
  answer.challenge = challenge;
  return answer;
}

Publisher::Publisher(handler::Services& services, shm::EventLog& log, const PublishLimits& limits,
                     uint32_t number)
    : services_(services),
      log_(log),
      limits_(limits),
      number_(number),
      rates_(services.segment),
      bytes_(services.counters.counter(shm::Metric::events_published_bytes, number)) {}

void Publisher::note(PublishResult result) {
  services_.counters.counter(shm::Metric::events_published, number_, result).add();
}

void Publisher::note_refused(int status) { note(result_of(status)); }

PublishAnswer Publisher::publish(const NewEvent& event) {
  PublishAnswer answer = judge(event);
  if (answer.ok()) answer = add(event);
  if (!answer.ok()) {
    note(result_of(answer.status));
    return answer;
  }
  note(answer.repeated ? PublishResult::repeated : PublishResult::accepted);
  if (!answer.repeated) bytes_.add(event.data.size());
  return answer;
}

PublishAnswer Publisher::judge(const NewEvent& event) {
  if (limits_.rate.count > 0 && !event.publisher.empty()) {
    const shm::RateLimiter::Rate rate{limits_.rate.count, limits_.rate.period, limits_.rate.count - 1};
    const uint64_t key = stable_hash(event.publisher, (uint64_t{number_} << 8) + 1);
    const auto verdict = rates_.allow(key, rate, services_.loop.now());
    if (!verdict.allowed) {
      PublishAnswer answer = refusal(429, "too many events from this publisher");
      answer.retry_after = verdict.retry_after;
      return answer;
    }
  }
  if (event.data.size() > limits_.max_message) {
    return refusal(413, fmt::format("the event is longer than {} bytes", limits_.max_message));
  }
  if (limits_.schema.empty()) return {};
  PublishAnswer answer;
  answer.fields = check_event(limits_.schema, event.data);
  if (answer.fields.empty()) return answer;
  answer.status = 422;
  answer.detail = "the event does not fit the schema";
  return answer;
}

PublishAnswer Publisher::add(const NewEvent& event) {
  const EventKind kind = limits_.schema.empty() ? event.kind : EventKind::json;
  const auto published =
      log_.publish(event.channel, kind, event.data, key_of(event), services_.loop.fresh_now());
  if (!published.ok()) {
    PublishAnswer answer = refusal(published.error().status, published.error().message);
    if (answer.status == 503) answer.retry_after = std::chrono::seconds(1);
    return answer;
  }
  services_.bells.ring(published->wake);
  PublishAnswer answer;
  answer.id = published->id;
  answer.repeated = published->repeated;
  return answer;
}

// ---------------------------------------------------------------- texts

void append_published(std::string& json, std::string_view channel, const PublishAnswer& answer) {
  json += "{\"channel\":";
  append_json_string(json, channel);
  fmt::format_to(std::back_inserter(json), ",\"offset\":{},\"epoch\":{}{}}}", answer.id.offset,
                 answer.id.epoch, answer.repeated ? ",\"repeated\":true" : "");
}

std::string problem_text(const PublishAnswer& answer) {
  std::string text = answer.detail;
  std::string_view separator = ": ";
  for (const FieldProblem& problem : answer.fields) {
    text +=
        fmt::format("{}{}{}{}", separator, problem.field, problem.field.empty() ? "" : " ", problem.detail);
    separator = ", ";
  }
  return text;
}

void append_problem(std::string& json, const PublishAnswer& answer) {
  json += "{\"title\":";
  append_json_string(json, http::reason_phrase(answer.status));
  fmt::format_to(std::back_inserter(json), ",\"status\":{},\"detail\":", answer.status);
  append_json_string(json, answer.detail);
  if (!answer.fields.empty()) json += ",\"errors\":[";
  for (const FieldProblem& problem : answer.fields) {
    if (json.back() != '[') json += ',';
    json += "{\"field\":";
    append_json_string(json, problem.field);
    json += ",\"detail\":";
    append_json_string(json, problem.detail);
    json += '}';
  }
  json += answer.fields.empty() ? "}" : "]}";
}

std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find_first_of("; \t")));
  for (char& c : type) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return type;
}

BodyKind body_kind(std::string_view content_type, std::string_view body, bool has_schema) {
  const std::string type = media_type(content_type);
  if (has_schema) return {EventKind::json, {}};  // which check_event() will find out
  if (type == "application/json" || type.ends_with("+json")) {
    return {EventKind::json, is_json(body) ? "" : kNotJson};
  }
  if (type.starts_with("text/")) return {EventKind::text, is_utf8(body) ? "" : "the body is not UTF-8"};
  const bool unsaid = type.empty() || type == "application/x-www-form-urlencoded";
  return {unsaid && is_utf8(body) ? EventKind::text : EventKind::binary, {}};
}

}  // namespace banyan::handlers
