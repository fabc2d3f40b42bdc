#include "handlers/event_dispatch/subscriber.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "handlers/event_dispatch/hub.h"

namespace banyan::handlers {
namespace {

// The kernel's buffer of a reader that stalls; twice that with its own bookkeeping. By default it would be
// megabytes, and some hundred such readers exhaust the memory that TCP may have.
constexpr int kSendBuffer = 16 * 1024;
// For the other end to agree to a close.
constexpr Millis kGrace{5'000};
constexpr unsigned kMostGraces = 12;

}  // namespace

Subscriber::~Subscriber() {
  // Once it is gone, the hub may be so, too.
  if (state_ != State::gone) leave_all();
  if (state_ == State::open || state_ == State::closing) note_end(shm::EventClose::drain);
  stream_.reset();
}

// ---------------------------------------------------------------- life

Result<void> Subscriber::subscribe(std::string_view channel, const Resume& resume) {
  Subscription* place = &first_;
  if (first_.channel) place = extra().further.emplace_back(std::make_unique<Subscription>()).get();
  place->listener = this;
  Result<void> result = hub_->book().subscribe(*place, channel);
  if (!result.ok()) {
    if (place != &first_) extra_->further.pop_back();
    return result;
  }
  if (resume.wanted) {
    const bool known = resume.after && resume.after->epoch == place->channel->epoch;
    place->after = known ? std::min<uint64_t>(resume.after->offset, place->after) : 0;
    place->behind = 1;
    extra().resumes.emplace_back(place, resume);
  }
  return result;
}

void Subscriber::begin(handler::Connection connection, const Rights* changed) {
  state_ = State::open;
  tenure_ = std::move(connection.tenure);
  stream_ = std::move(connection.stream);
  tenure_->listen_moved(Callback::to<&Subscriber::on_moved>(this));
  stream_->hand_to(*this);
  setsockopt(stream_->fd(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  hub_->wheel().put(*this, until_due());
  hub_->meters().connections(transport()).add();
  if (changed) renew(*changed, false, Millis(0));
  if (state_ == State::open) welcome();
  if (state_ == State::gone) return;
  if (state_ == State::open) {
    serial_ = hub_->presence().next_serial();
    each_subscription([&](const Subscription& one) { announce(one); });
  }
  if (!connection.received.empty() && form_.dress != Dress::sse) receive(connection.received);
  read();
}

void Subscriber::announce(const Subscription& subscription) {
  hub_->presence().join(subscription.channel->name, serial_,
                        grant_ ? std::string_view(grant_->allowed.subject) : std::string_view());
}

void Subscriber::leave(Subscription& subscription) {
  if (!subscription.channel) return;
  if (serial_ != 0) hub_->presence().leave(subscription.channel->name, serial_);
  hub_->book().unsubscribe(subscription);
}

void Subscriber::leave_all() {
  leave(first_);
  if (!extra_) return;
  for (const auto& one : extra_->further) leave(*one);
}

void Subscriber::close(http::WsClose code, std::string_view reason, shm::EventClose why, Millis retry) {
  if (state_ != State::open) return;
  state_ = State::closing;
  hub_->meters().note_closed(why);
  leave_all();
  // Who is at fault need not get what waits; others get all of it before the end.
  const bool fault = failed_ || why == shm::EventClose::queue_full || why == shm::EventClose::rights;
  if (queue_ && fault) hub_->meters().note_dropped(shm::EventDrop::closed, queue_->drop_free());
  hub_->wheel().put(*this, kGrace);
  std::string farewell;
  if (form_.dress != Dress::sse) {
    http::append_ws_close(code, reason, farewell);
  } else if (retry > Millis(0)) {
    farewell = fmt::format("retry: {}\n\n", retry.count());
  }
  if (!farewell.empty()) put_text(std::move(farewell));
  if (state_ == State::closing && (!queue_ || queue_->empty())) finish_closing();
}

// Everything was sent.
void Subscriber::finish_closing() {
  hub_->wheel().put(*this, kGrace);
  if (form_.dress == Dress::sse) return go();
  if (failed_) return stream_->shutdown_write();
  if (!client_closed_) return;
  // What it sent behind its close frame is read first: closing a socket with unread bytes resets the
  // connection, which may take the answer from the client.
  reading_ = true;
  hub_->again(*this);
}

// The connection is no more; this object at the end of the turn.
void Subscriber::go() {
  if (state_ == State::gone) return;
  note_end(shm::EventClose::client);
  leave_all();
  hub_->retire(*this);
}

// `why`: if it was not said when it was closed.
void Subscriber::note_end(shm::EventClose why) {
  const EventMeters& meters = hub_->meters();
  if (state_ == State::open) meters.note_closed(why);
  if (queue_) meters.note_dropped(shm::EventDrop::closed, queue_->messages());
  meters.connections(transport()).subtract();
  state_ = State::gone;
  queue_.reset();  // its runs are counted by the hub, which may die before this
}

void Subscriber::on_moved() {
  close(http::WsClose::service_restart, "moved", shm::EventClose::moved, hub_->retry_with_jitter());
}

void Subscriber::on_due() {
  if (state_ == State::closing) return on_due_closing();
  if (hub_->draining()) {
    return close(http::WsClose::service_restart, "restarting", shm::EventClose::drain,
                 hub_->retry_with_jitter());
  }
  if (expired())
    return close(http::WsClose::policy_violation, "the token has expired", shm::EventClose::rights);
  if (outdated_) return close_outdated();
  if (retrying_) {
    retrying_ = false;
    hub_->wheel().put(*this, until_due());
    return catch_up();
  }
  if (awaiting_pong_) {
    hub_->meters().note_closed(shm::EventClose::no_pong);
    state_ = State::closing;
    return go();
  }
  if (form_.dress == Dress::sse) {
    awaiting_pong_ = queue_ != nullptr;  // it says that it is there by taking something of that
    if (!queue_) put_text(":\n\n");
  } else {
    std::string ping;
    http::append_ws_frame(http::WsOpcode::ping, {}, ping);
    awaiting_pong_ = true;
    say(std::move(ping));
  }
  if (state_ == State::open) hub_->wheel().put(*this, until_due());
}

// Who reads what waits before the end may take its time, up to a minute.
void Subscriber::on_due_closing() {
  if (!queue_ || !taken_ || graces_ == kMostGraces) return go();
  taken_ = false;
  ++graces_;
  hub_->wheel().put(*this, kGrace);
}

bool Subscriber::expired() const {
  return grant_ && grant_->allowed.expires && *grant_->allowed.expires <= hub_->loop().wall();
}

Millis Subscriber::until_due() const {
  const Millis due = awaiting_pong_ ? hub_->until_pong() : hub_->until_ping();
  if (!grant_ || !grant_->allowed.expires) return due;
  return std::min(due,
                  std::chrono::ceil<Millis>(*grant_->allowed.expires - hub_->loop().wall()) + Wheel::kTick);
}

// Only a new request can tell what it may do now.
void Subscriber::close_outdated() {
  close(http::WsClose::service_restart, "rights have changed", shm::EventClose::rights,
        hub_->retry_with_jitter());
}

void Subscriber::renew(const Rights& rights, bool answer_stands, Millis spread) {
  if (state_ != State::open || outdated_) return;
  if (!rights.any()) return grant_.reset();
  if (!grant_ || (!answer_stands && !rights.options().authorize.empty())) {
    if (spread == Millis(0)) return close_outdated();
    outdated_ = true;
    return hub_->wheel().put(*this, spread);
  }
  Result<Grant> grant = rights.renew(*grant_, hub_->loop().wall());
  bool good = grant.ok();
  if (good) *grant_ = *std::move(grant);
  each_subscription([&](Subscription& one) { good = good && grant_->may_subscribe(one.channel->name); });
  if (!good) close(http::WsClose::policy_violation, "rights have changed", shm::EventClose::rights);
}

void Subscriber::on_turn() {
  if (wants_answer()) return answer_last_step();
  if (reading_) read();
  if (state_ == State::open) catch_up();
}

// ---------------------------------------------------------------- what few have

Subscriber::Extra& Subscriber::extra() {
  if (!extra_) extra_ = std::make_unique<Extra>();
  return *extra_;
}

void Subscriber::drop_extra() {
  if (!extra_) return;
  std::erase_if(extra_->further, [](const auto& one) { return !one->channel; });
  if (extra_->further.empty() && extra_->resumes.empty() && !extra_->receiver && extra_->dropped == 0 &&
      extra_->last_word == 0) {
    extra_.reset();
  }
}

Subscription* Subscriber::find(std::string_view channel) const {
  if (first_.channel && first_.channel->name == channel) return const_cast<Subscription*>(&first_);
  if (!extra_) return nullptr;
  for (const auto& one : extra_->further) {
    if (one->channel && one->channel->name == channel) return one.get();
  }
  return nullptr;
}

}  // namespace banyan::handlers
