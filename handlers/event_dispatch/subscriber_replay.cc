// How a subscriber gets what the rounds do not bring it: the past, when it comes (back), and what was missed
// because this worker was too slow for the log.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_text.h"
#include "handlers/event_dispatch/commands.h"
#include "handlers/event_dispatch/hub.h"
#include "handlers/event_dispatch/subscriber.h"

namespace banyan::handlers {
namespace {

// Of one replay; the next one when it has gone out.
constexpr size_t kReplayBytes = 64 * 1024;
// Until the next attempt, when it cannot be had now.
constexpr Millis kRetry{1000};

}  // namespace

// What the client needs to come back without loss, even if no event comes before the connection breaks.
void Subscriber::welcome() {
  if (form_.dress == Dress::sse) {
    std::string text = fmt::format("retry: {}\n", hub_->retry_with_jitter().count());
    // An id without data is kept by the client and tells its page nothing (WHATWG HTML section 9.2.6).
    if (!extra_ || extra_->resumes.empty()) text += fmt::format("id: {}\n", stream_id());
    put_text(text + "\n");
  } else if (form_.dress == Dress::envelope) {
    std::string text;
    each_subscription([&](Subscription& one) { append_subscribed(text, *one.channel, one.after, {}); });
    put_text(std::move(text));
  }
  if (state_ == State::open) catch_up();
}

void Subscriber::catch_up() {
  if (queue_ && !queue_->empty()) return;  // flush() will come again
  bool again = false;
  each_subscription([&](Subscription& one) {
    const bool room = !queue_ || queue_->empty();
    if (one.behind && state_ == State::open && room && !retrying_) again |= catch_up(one);
  });
  if (state_ != State::open) return;
  drop_extra();
  if (again && !queue_) hub_->again(*this);
}

// on_due() goes on.
bool Subscriber::retry_later() {
  retrying_ = true;
  hub_->wheel().put(*this, kRetry);
  return false;
}

// True when there is more to come at once.
bool Subscriber::catch_up(Subscription& subscription) {
  const QueueOptions& limits = hub_->options().queue;
  // Others wait with all the memory there is for that, or the log had to be waited for.
  if (hub_->queue_memory() > limits.total || hub_->log_rests()) return retry_later();
  const HubChannel& channel = *subscription.channel;
  std::optional<shm::EventId> after = channel.id(subscription.after);
  std::pair<Subscription*, Resume>* asked = nullptr;
  if (extra_) {
    for (auto& one : extra_->resumes) asked = one.first == &subscription ? &one : asked;
  }
  if (asked) {
    const Resume& resume = asked->second;
    after = resume.from_first ? std::nullopt : resume.after ? resume.after : shm::EventId{};
  }
  shm::EventLog& log = hub_->log();
  Result<shm::EventLog::Replay> replay =
      log.replay(channel.number, after, hub_->options().log_history(),
                 std::min<uint64_t>(kReplayBytes, limits.bytes / 2), hub_->loop().fresh_now());
  if (!replay.ok()) {
    hub_->rest_log(kRetry);
    return retry_later();
  }
  if (asked) {
    hub_->meters().note_resume(replay->gap ? shm::ResumeResult::gap : shm::ResumeResult::complete);
    std::erase_if(extra_->resumes, [&](const auto& one) { return one.first == &subscription; });
  }
  if (replay->gap && !announce_gap(subscription, replay->first_available)) return false;
  RunPart part;
  part.run = RunRef::make();
  for (const shm::EventLog::Event& event : replay->events) {
    append(part.run->bytes, subscription, {event.id, event.kind, std::string(event.data)});
    part.run->ends.push_back(part.run->size());
    subscription.after = event.id.offset;
    const bool room = part.run->size() < limits.bytes / 2;  // it may have become longer than the data
    if (room && part.run->ends.size() < std::max<uint32_t>(limits.messages / 2, 1)) continue;
    replay->more = replay->more || event.id.offset < replay->events.back().id.offset;
    break;
  }
  if (!replay->more) subscription.after = replay->last.offset;
  part.end = part.run->size();
  hub_->meters().deliveries(transport()).add(part.messages());
  if (part.end > 0) put(part);
  // Events that come now have no room in the queue as long as this is in it.
  const bool room = !queue_ || queue_->empty();
  if (!replay->more && room) subscription.behind = 0;
  return subscription.behind;
}

// False when the connection ended of it.
bool Subscriber::announce_gap(Subscription& subscription, uint64_t first_available) {
  const shm::EventId first = subscription.channel->id(first_available);
  if (form_.dress == Dress::plain) {
    // Its messages are the events as they were published, so nothing else can be said but in the close frame.
    close(http::WsClose{kWsGap}, fmt::format("gap, first available {}", shm::to_text(first)),
          shm::EventClose::gap);
    return false;
  }
  subscription.after = first_available - 1;
  std::string json = "\"channel\":";
  append_json_string(json, subscription.channel->name);
  json += fmt::format(",\"epoch\":{},\"first_available\":{}", first.epoch, first.offset);
  std::string note;
  append_note(note, form_.dress, "gap", json, form_.dress == Dress::sse ? stream_id() : std::string());
  put_text(std::move(note));
  return state_ == State::open;
}

// Never compressed, as it is made for this one alone.
void Subscriber::append(std::string& out, Subscription& subscription, const StoredEvent& event) {
  subscription.after = event.id.offset;
  const bool own_id = form_.dress == Dress::sse && subscriptions() > 1;
  append_event(out, {form_.dress, 0}, subscription.channel->name, event,
               own_id ? stream_id() : std::string());
}

// Where it stands in all its channels: what Last-Event-ID will be.
std::string Subscriber::stream_id() {
  std::string id;
  each_subscription([&](Subscription& one) {
    if (!id.empty()) id += ',';
    id += shm::to_text(one.channel->id(one.after));
  });
  return id;
}

}  // namespace banyan::handlers
