#include "handlers/event_dispatch/redis_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "event/loop.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;
using Kind = RedisReply::Kind;

constexpr Duration kFirstPause = 100ms, kLongestPause = 10s;
// XREADGROUP waits so long for entries; an answer that takes much longer does not come any more.
constexpr std::string_view kBlockMillis = "5000";
constexpr Duration kPatience = 15s;
constexpr std::string_view kMostEntries = "200";
constexpr std::string_view kConsumer = "banyan";
constexpr char kRefused[] = "the event log refuses events";

std::string own_group() {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  return fmt::format("banyan-{}", host);
}

const std::string* find_field(const std::vector<std::pair<std::string, std::string>>& fields,
                              std::string_view name) {
  for (const auto& [known, value] : fields) {
    if (known == name) return &value;
  }
  return nullptr;
}

// What a text of a stream is, which has no Content-Type.
shm::EventKind kind_of(std::string_view data) {
  const bool structured = data.starts_with('{') || data.starts_with('[');
  if (structured && is_json(data)) return shm::EventKind::json;
  return is_utf8(data) ? shm::EventKind::text : shm::EventKind::binary;
}

}  // namespace

RedisSource::RedisSource(handler::Services& services, Publisher& publisher, const RedisSourceOptions& options,
                         std::string_view name, uint32_t number, NameProblem name_problem)
    : services_(services),
      publisher_(publisher),
      options_(options),
      name_(name),
      group_(options.group.empty() ? own_group() : options.group),
      name_problem_(name_problem),
      up_gauge_(services.counters.counter(shm::Metric::events_source_up, number)),
      timer_(services.loop, Callback::to<&RedisSource::on_timer>(this)) {
  begin();
}

RedisSource::~RedisSource() { set_up_flag(false); }

// ---------------------------------------------------------------- the connection

void RedisSource::begin() {
  timer_.start(kPatience);
  if (options_.address.kind != config::Address::Kind::name) return connect(options_.address);
  question_ = services_.resolver.resolve(options_.address.host, *this);
}

void RedisSource::on_resolved(const Result<net::Resolver::Addresses>& addresses) {
  if (!addresses.ok()) return recover(addresses.error().message);
  config::Address address = options_.address;
  net::IpAddress::TextBuffer text;
  address.host = (*addresses)[attempts_++ % addresses->size()].host_text(text);
  connect(address);
}

void RedisSource::connect(config::Address address) {
  question_.reset();
  RedisLink::Listener& self = *this;
  link_ = std::make_unique<RedisLink>(services_.loop, address, self);
}

void RedisSource::on_connected() {
  stage_ = Stage::set_up;
  set_up_left_ = 0;
  acknowledgements_ = 0;
  const auto send = [this](std::vector<std::string> command) {
    ++set_up_left_;
    link_->send(command);
  };
  if (!options_.password.empty()) {
    std::vector<std::string> auth = {"AUTH"};
    if (!options_.username.empty()) auth.push_back(options_.username);
    auth.push_back(options_.password.value);
    send(std::move(auth));
  }
  if (options_.database != 0) send({"SELECT", std::to_string(options_.database)});
  const bool first = options_.from == RedisSourceOptions::From::first;
  send({"XGROUP", "CREATE", options_.redis_stream, group_, first ? "0" : "$", "MKSTREAM"});
  timer_.start(kPatience);
}

// A pause, and all over again.
void RedisSource::recover(const std::string& why) {
  const TimePoint now = services_.loop.now();
  if (up_ || !complained_ || now - *complained_ > 1min) {
    LOG(warn, "handler {}: source {} at {}: {}", name_, options_.redis_stream, options_.address.text(), why);
    complained_ = now;
  }
  set_up_flag(false);
  stage_ = Stage::idle;
  question_.reset();
  link_.reset();
  pause_ = pause_ == Duration(0) ? kFirstPause : std::min<Duration>(pause_ * 2, kLongestPause);
  const auto half = static_cast<uint64_t>(pause_.count() / 2);
  timer_.start(Duration(static_cast<Duration::rep>(half + random_.below(half + 1))));
}

void RedisSource::on_timer() {
  if (stage_ == Stage::idle && !link_ && !question_) return begin();
  recover("no answer");
}

void RedisSource::set_up_flag(bool up) {
  if (up == up_) return;
  up_ = up;
  up_gauge_.set(up ? 1 : 0);
}

// ---------------------------------------------------------------- replies

void RedisSource::on_reply(RedisReply reply) {
  switch (stage_) {
    case Stage::idle:
      return;
    case Stage::set_up:
      return on_set_up(reply);
    case Stage::pending:
    case Stage::reading:
    case Stage::refused:
      break;
  }
  if (reply.kind == Kind::error) return recover(reply.text);
  if (acknowledgements_ > 0) {
    if (--acknowledgements_ == 0 && stage_ == Stage::refused) recover(kRefused);
    return;
  }
  on_entries(reply);
}

void RedisSource::on_set_up(const RedisReply& reply) {
  // The group is there already: fine.
  if (reply.kind == Kind::error && !reply.text.starts_with("BUSYGROUP")) return recover(reply.text);
  if (--set_up_left_ > 0) return;
  LOG(info, "handler {}: reads the stream {} as group {}", name_, options_.redis_stream, group_);
  set_up_flag(true);
  stage_ = Stage::pending;
  after_ = "0";
  ask();
}

void RedisSource::ask() {
  std::vector<std::string> command = {"XREADGROUP",           "GROUP", group_,
                                      std::string(kConsumer), "COUNT", std::string(kMostEntries)};
  if (stage_ == Stage::reading) {
    command.insert(command.end(), {"BLOCK", std::string(kBlockMillis)});
  }
  command.insert(command.end(), {"STREAMS", options_.redis_stream, stage_ == Stage::reading ? ">" : after_});
  link_->send(command);
  timer_.start(kPatience);
}

// [[stream, [[id, [field, value, …]], …]]], or nil when there was nothing for a while. Fields are nil when
// the entry was deleted from the stream before it was acknowledged.
std::vector<RedisSource::Entry> RedisSource::parse_entries(const RedisReply& reply) {
  std::vector<Entry> entries;
  if (reply.list.empty() || reply.list[0].list.size() != 2) return entries;
  for (const RedisReply& item : reply.list[0].list[1].list) {
    if (item.list.size() != 2) continue;
    Entry& entry = entries.emplace_back();
    entry.id = item.list[0].text;
    const std::vector<RedisReply>& texts = item.list[1].list;
    for (size_t i = 0; i + 1 < texts.size(); i += 2)
      entry.fields.emplace_back(texts[i].text, texts[i + 1].text);
  }
  return entries;
}

void RedisSource::on_entries(const RedisReply& reply) {
  const std::vector<Entry> entries = parse_entries(reply);
  pause_ = Duration(0);
  if (!entries.empty()) return take(entries);
  stage_ = Stage::reading;
  ask();
}

// ---------------------------------------------------------------- entries

// In order; what cannot be published now is read again after a pause, with all behind it.
void RedisSource::take(const std::vector<Entry>& entries) {
  std::vector<std::string> acknowledge = {"XACK", options_.redis_stream, group_};
  bool all = true;
  for (size_t i = 0; i < entries.size() && all; ++i) {
    all = publish(entries[i]);
    if (all) acknowledge.push_back(entries[i].id);
  }
  if (acknowledge.size() > 3) {
    ++acknowledgements_;
    link_->send(acknowledge);
  }
  if (!all && acknowledgements_ == 0) return recover(kRefused);
  if (!all) {
    // Giving the connection up now would throw away what it has not sent yet.
    stage_ = Stage::refused;
    timer_.start(kPatience);
    return;
  }
  after_ = entries.back().id;
  ask();
}

// False: not now. An entry that can never be published is done, too.
bool RedisSource::publish(const Entry& entry) {
  if (entry.fields.empty()) return true;
  const std::string* named = find_field(entry.fields, options_.channel_field);
  const std::string& channel = !options_.channel.empty() ? options_.channel
                               : named                   ? *named
                                                         : options_.channel;
  PublishAnswer answer;
  if (const char* problem = name_problem_(channel)) {
    answer.status = 400;
    answer.detail = problem;
    publisher_.note_refused(400);
  } else {
    answer = publish_data(entry, channel);
  }
  if (answer.status == 503) return false;
  if (!answer.ok()) {
    LOG(warn, "handler {}: entry {} of the stream {} is left out: {}", name_, entry.id, options_.redis_stream,
        answer.detail);
  }
  return true;
}

// A field that comes twice has its last value, as in every JSON object that is made of pairs. (The object's
// own insertion looks at all members each time.)
std::string RedisSource::as_json(const Entry& entry) const {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  auto& members = object.get_ref<nlohmann::ordered_json::object_t&>();
  std::unordered_map<std::string_view, size_t> places;
  for (const auto& [name, value] : entry.fields) {
    if (options_.channel.empty() && name == options_.channel_field) continue;
    const auto [place, added] = places.try_emplace(name, members.size());
    if (added) {
      members.emplace_back(name, value);
    } else {
      members.begin()[static_cast<ptrdiff_t>(place->second)].second = value;
    }
  }
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

PublishAnswer RedisSource::publish_data(const Entry& entry, std::string_view channel) {
  const std::string key = fmt::format("redis:{}:{}", options_.redis_stream, entry.id);
  if (const std::string* data = find_field(entry.fields, options_.data_field)) {
    return publisher_.publish({channel, kind_of(*data), *data, key, {}, true});
  }
  return publisher_.publish({channel, shm::EventKind::json, as_json(entry), key, {}, true});
}

}  // namespace banyan::handlers
