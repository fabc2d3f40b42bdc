// What goes out to a subscriber: to the kernel at once, or what it does not take, into the queue and its
// limits.
#include <fmt/format.h>
#include <sys/socket.h>

#include "handlers/event_dispatch/hub.h"
#include "handlers/event_dispatch/subscriber.h"

namespace banyan::handlers {
namespace {

// Of the queue, in one call.
constexpr size_t kParts = 64;
// What a TLS stream gets at once, as it cannot be taken back from it.
constexpr size_t kSealedAtOnce = 16 * 1024;
// A message that the small buffer of Subscriber::begin() cannot hold in pieces that keep a link busy: over
// loopback one segment fills it, and what follows waits 40 ms for the acknowledgement that the other end
// delays. So who gets such a message, and did not take it at once, has a buffer for two of the largest
// segments from then on; twice that with the kernel's own bookkeeping.
constexpr size_t kLargeMessage = 32 * 1024;
constexpr int kLargeSendBuffer = 128 * 1024;

}  // namespace

// The place in the channel is there already, and with it the beginning of what stands together.
void Subscriber::warm_up() const {
  __builtin_prefetch(&form_);
  __builtin_prefetch(stream_.get());
}

void Subscriber::on_events(Subscription& subscription, ChannelRound& round) {
  if (subscription.behind || subscription.after >= round.last_offset()) return;
  if (state_ == State::joining) {
    subscription.behind = 1;
    return;
  }
  // Nearly always it has all that was before the round, and no other channel.
  if (subscription.after + 1 != round.first_offset() || subscriptions() > 1)
    return send_some(subscription, round);
  subscription.after = round.last_offset();
  const ChannelRound::Made& made = round.made(form_);
  if (made.whole.size() == 0) return;  // what came has no form for it
  hub_->meters().deliveries(transport()).add(made.messages);
  round.delivered = true;
  send(made.whole);
}

// What it does not have yet; if it has further channels, for which this round may have something as well, all
// of that together.
void Subscriber::send_some(Subscription& subscription, ChannelRound& round) {
  const bool several = subscriptions() > 1;
  RunPart part;
  if (several && form_.dress == Dress::sse) {
    part.run = RunRef::make();
    for (const StoredEvent& event : round.events) {
      if (event.id.offset <= subscription.after) continue;
      append(part.run->bytes, subscription, event);
      part.run->ends.push_back(part.run->size());
    }
  } else {
    part.run = round.made(form_).whole.run;
    part.begin = part.run->begin_after(subscription.after);
    subscription.after = round.last_offset();
  }
  part.end = part.run->size();
  if (part.size() == 0) return;
  hub_->meters().deliveries(transport()).add(part.messages());
  round.delivered = true;
  if (!several) return send(part);
  if (!queue_) queue_ = std::make_unique<OutQueue>();
  queue_->add(std::move(part));
  if (!put_off_) hub_->flush_later(*this);
  put_off_ = true;
}

void Subscriber::on_missed(Subscription& subscription) {
  subscription.behind = 1;
  if (state_ == State::open) hub_->again(*this);
}

void Subscriber::send(const RunPart& part) {
  put(part);
  if (queue_ && state_ == State::open) keep_in_limits();
}

// What is not an event, within the limits of the queue.
void Subscriber::say(std::string bytes) {
  put_text(std::move(bytes));
  if (queue_ && state_ == State::open) keep_in_limits();
}

void Subscriber::put_text(std::string bytes) {
  RunRef run = single_run(std::move(bytes));
  const uint32_t size = run->size();
  put({std::move(run), 0, size});
}

// Writes what the kernel takes, keeps the rest.
void Subscriber::put(const RunPart& part) {
  if (state_ == State::gone) return;
  if (queue_ && !queue_->empty()) return keep(part);
  const iovec bytes{part.run->bytes.data() + part.begin, part.size()};
  const net::IoResult result = stream_->write({&bytes, 1});
  if (result.status == net::IoStatus::error) return go();
  if (result.bytes < part.size()) keep_rest(part, result.bytes);
}

void Subscriber::keep(const RunPart& part) {
  part.run.count_in(hub_->queue_memory());
  if (!queue_) queue_ = std::make_unique<OutQueue>();
  queue_->add(part);
}

void Subscriber::keep_rest(const RunPart& part, size_t sent) {
  keep(part);
  queue_->sent(sent, 1, sealed());
  wait_for_room();
}

// Until on_writable(), with a larger buffer if that is what is missing.
void Subscriber::wait_for_room() {
  if (!large_buffer_ && queue_->size_of_first() > kLargeMessage) {
    large_buffer_ = true;
    setsockopt(stream_->fd(), SOL_SOCKET, SO_SNDBUF, &kLargeSendBuffer, sizeof kLargeSendBuffer);
  }
  stream_->want_write();
}

void Subscriber::on_writable() { flush(); }

void Subscriber::flush() {
  put_off_ = false;
  if (!queue_ || state_ == State::gone) return;
  announce_dropped();
  while (!queue_->empty()) {
    std::array<iovec, kParts> parts;
    size_t count = queue_->gather(parts);
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      bytes += parts[i].iov_len;
      if (sealed() && bytes >= kSealedAtOnce) count = i + 1;
    }
    const net::IoResult result = stream_->write({parts.data(), count});
    if (result.status == net::IoStatus::error) return go();
    queue_->sent(result.bytes, count, sealed());
    if (result.bytes > 0) {
      taken_ = true;
      if (form_.dress == Dress::sse) awaiting_pong_ = false;
    }
    if (result.bytes < bytes) {
      queue_->count_in(hub_->queue_memory());
      wait_for_room();
      if (state_ == State::open) keep_in_limits();
      return;
    }
  }
  queue_.reset();
  if (state_ == State::closing) return finish_closing();
  bool behind = false;
  each_subscription([&](Subscription& one) { behind |= one.behind; });
  if (behind) hub_->again(*this);
}

void Subscriber::keep_in_limits() {
  const QueueOptions& limits = hub_->options().queue;
  const bool no_memory = hub_->queue_memory() > limits.total;
  if (queue_->bytes() <= limits.bytes && queue_->messages() <= limits.messages && !no_memory) return;
  if (limits.when_full == WhenFull::drop_oldest) {
    const uint64_t dropped =
        no_memory ? queue_->drop_free() : queue_->drop_oldest(limits.bytes, limits.messages);
    hub_->meters().note_dropped(shm::EventDrop::queue_full, dropped);
    if (dropped > 0 && form_.dress != Dress::plain) extra().dropped += dropped;
    return;
  }
  hub_->meters().note_dropped(shm::EventDrop::queue_full, queue_->drop_free());
  close(http::WsClose::try_again_later, "the queue is full", shm::EventClose::queue_full);
}

void Subscriber::announce_dropped() {
  if (!extra_ || extra_->dropped == 0 || state_ != State::open) return;
  std::string note;
  append_note(note, form_.dress, "dropped", fmt::format("\"count\":{}", std::exchange(extra_->dropped, 0)));
  RunRef run = single_run(std::move(note));
  const uint32_t size = run->size();
  queue_->add_in_front({std::move(run), 0, size});
  drop_extra();
}

}  // namespace banyan::handlers
