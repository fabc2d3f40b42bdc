#include "handlers/event_dispatch/poll_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_text.h"

namespace banyan::handlers {
namespace {

// Of one answer, in equal shares; the client asks again at once for the rest.
constexpr size_t kMostBytes = 256 * 1024;
// The answer is written before the deadline of the route.
constexpr Millis kMargin{500};

void append_item(std::string& list, std::string_view json) {
  if (!list.empty()) list += ',';
  list += json;
}

}  // namespace

PollSession::PollSession(handler::Call& call, std::shared_ptr<EventHub> hub, const http::Fields& cors)
    : call_(call),
      hub_(std::move(hub)),
      look_(hub_->loop(), Callback::to<&PollSession::look>(this)),
      wait_(hub_->loop(), Callback::to<&PollSession::finish>(this)) {
  for (const http::Field& field : cors) cors_.add_copy(field.name, field.value);
  hub_->polls().insert(this);
  hub_->meters().connections(shm::EventTransport::long_poll).add();
}

PollSession::~PollSession() {
  for (const auto& place : places_) hub_->book().unsubscribe(place->subscription);
  hub_->polls().erase(this);
  hub_->meters().connections(shm::EventTransport::long_poll).subtract();
}

Result<void> PollSession::begin(const EventQuery& query, std::optional<WallTime> expires) {
  expires_ = expires;
  for (size_t i = 0; i < query.channels.size(); ++i) {
    Place& place = *places_.emplace_back(std::make_unique<Place>());
    place.subscription.listener = this;
    if (i < query.since.size()) place.since = query.since[i];
    Result<void> result = hub_->book().subscribe(place.subscription, query.channels[i]);
    if (!result.ok()) return result;
  }
  TimePoint until = call_.arrived() + std::min(query.wait.value_or(Millis(0)), hub_->options().max_wait);
  if (call_.deadline() != TimePoint::max()) until = std::min(until, call_.deadline() - kMargin);
  if (expires_) until = std::min(until, hub_->loop().now() + (*expires_ - hub_->loop().wall()));
  wait_.start_at(hub_->draining() ? hub_->loop().now() : until);
  // In the next turn: an answer needs a session that open() has returned.
  if (!query.since.empty()) look_.schedule();
  return {};
}

void PollSession::on_events(Subscription& subscription, ChannelRound& round) {
  if (subscription.after < round.last_offset()) round.delivered = true;
  look_.schedule();
}
void PollSession::on_missed(Subscription&) { look_.schedule(); }

void PollSession::look() {
  if (!over_ && (expired() || collect())) answer();
}

void PollSession::finish() {
  if (over_) return;
  if (!expired()) collect();
  if (!over_) answer();
}

// True when there is something to say.
bool PollSession::collect() {
  size_t left = places_.size();
  for (const auto& place : places_) {
    if (events_.size() >= kMostBytes) break;
    Result<void> result = collect(*place, (kMostBytes - events_.size()) / left--);
    if (result.ok()) continue;
    over_ = true;
    wait_.stop();
    call_.fail(std::move(result).error());
    return false;
  }
  return !events_.empty() || !gaps_.empty();
}

Result<void> PollSession::collect(Place& place, size_t most_bytes) {
  Subscription& subscription = place.subscription;
  const HubChannel& channel = *subscription.channel;
  std::optional<shm::EventId> after = channel.id(subscription.after);
  if (place.since.wanted) {
    after = place.since.from_first ? std::nullopt : place.since.after ? place.since.after : shm::EventId{};
  }
  Result<shm::EventLog::Replay> replay = hub_->log().replay(
      channel.number, after, hub_->options().log_history(), most_bytes, hub_->loop().fresh_now());
  if (!replay.ok()) return std::move(replay).error();
  if (place.since.wanted) {
    hub_->meters().note_resume(replay->gap ? shm::ResumeResult::gap : shm::ResumeResult::complete);
    place.since = {};
  }
  if (replay->gap) {
    std::string gap = "{\"channel\":";
    append_json_string(gap, channel.name);
    append_item(gaps_, fmt::format("{},\"epoch\":{},\"first_available\":{}}}", gap, channel.epoch,
                                   replay->first_available));
  }
  for (const shm::EventLog::Event& event : replay->events) {
    append_item(events_, event_json(channel.name, {event.id, event.kind, std::string(event.data)}));
    subscription.after = event.id.offset;
  }
  if (!replay->more) subscription.after = replay->last.offset;
  hub_->meters().deliveries(shm::EventTransport::long_poll).add(replay->events.size());
  return {};
}

// What it is to ask for the next time; what it asked for now, if that was not looked at.
std::string PollSession::Place::next() const {
  if (!since.wanted) return shm::to_text(subscription.channel->id(subscription.after));
  return since.after ? shm::to_text(*since.after) : "first";
}

void PollSession::answer() {
  over_ = true;
  wait_.stop();
  std::string next;
  for (const auto& place : places_) {
    append_item(next, place->next());
  }
  std::string json = fmt::format("{{\"events\":[{}],\"next\":\"{}\"", events_, next);
  if (!gaps_.empty()) json += fmt::format(",\"gaps\":[{}]", gaps_);
  json += "}\n";
  http::ResponseHead head;
  head.fields.add(http::FieldId::content_type, "application/json");
  head.fields.add("Cache-Control", "no-store");
  for (const http::Field& field : cors_) head.fields.add(field);
  handler::answer(call_, hub_->services().buffers, std::move(head), json);
}

}  // namespace banyan::handlers
