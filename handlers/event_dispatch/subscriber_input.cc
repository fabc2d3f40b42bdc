// What subscribers send: nothing but control frames, most of them; commands and events, if they may.
#include <fmt/format.h>

#include "handlers/event_dispatch/commands.h"
#include "handlers/event_dispatch/hub.h"
#include "handlers/event_dispatch/subscriber.h"

namespace banyan::handlers {
namespace {

constexpr int kReadsPerTurn = 8;

// The service is asked with a request, which a command is not.
constexpr std::string_view kNotAsked = "authorize: open a connection of its own for this channel";

// Why a command for that channel was refused.
std::string forbidden(const Grant* grant, std::string_view channel, std::string_view otherwise) {
  return std::string(grant && !grant->was_asked_about(channel) ? kNotAsked : otherwise);
}

}  // namespace

void Subscriber::on_readable() { read(); }

void Subscriber::read() {
  reading_ = false;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (has_to_wait()) return;
    const std::span<char> space = hub_->read_space();
    const net::IoResult result = stream_->read(space);
    if (result.status == net::IoStatus::again) return on_silence();
    if (result.status != net::IoStatus::ok) return go();
    if (client_closed_) {
      on_babble();
    } else if (form_.dress != Dress::sse && !failed_) {
      receive(space.first(result.bytes));
    }
    if (result.drained) return on_silence();
  }
  if (has_to_wait()) return;
  reading_ = true;
  hub_->again(*this);
}

// RFC 6455 section 5.5.1: nothing comes after a close frame. What does is thrown away until it stops; the
// answer has gone out, or will.
void Subscriber::on_babble() {
  if (!failed_ && !queue_) stream_->shutdown_write();
  failed_ = true;
}

// Nothing is there to be read. Both have said goodbye, so this is the end, unless the client goes on talking.
void Subscriber::on_silence() {
  if (client_closed_ && state_ == State::closing && !queue_ && !failed_) go();
}

// Between messages there is no receiver: a silent connection needs none.
void Subscriber::receive(std::span<char> bytes) {
  std::optional<http::WsReceiver> fresh;
  http::WsReceiver* receiver = extra_ && extra_->receiver ? &*extra_->receiver : nullptr;
  if (!receiver) {
    receiver =
        &fresh.emplace(http::WsReceiver::Settings{hub_->options().max_message, form_.deflate_bits > 0});
  }
  awaiting_pong_ = false;
  while (!bytes.empty()) {
    const http::WsReceiver::Step step = receiver->receive(bytes);
    bytes = bytes.subspan(step.used);
    on_step(step);
    if (failed_ || client_closed_ || state_ == State::gone) return;
  }
  const bool under_way = receiver->in_message();
  if (under_way && fresh) extra().receiver = std::move(fresh);
  if (!under_way && extra_) {
    extra_->receiver.reset();
    drop_extra();
  }
}

void Subscriber::on_step(const http::WsReceiver::Step& step) {
  using Event = http::WsReceiver::Event;
  if (step.event == Event::none) return;
  if (step.event == Event::failed || step.event == Event::close) return on_last_step(step);
  if (state_ != State::open || step.event == Event::pong) return;
  if (too_fast()) {
    failed_ = true;
    return close(http::WsClose::policy_violation, "too many messages", shm::EventClose::too_fast);
  }
  if (step.event == Event::ping) {
    std::string pong;
    http::append_ws_frame(http::WsOpcode::pong, step.payload, pong);
    say(std::move(pong));
  } else {
    on_message(step.event == Event::text, step.payload);
  }
}

// Its close frame, or something that is wrong. What it has published is sent to it before the answer, even if
// nobody has looked for it yet.
void Subscriber::on_last_step(const http::WsReceiver::Step& step) {
  failed_ = step.event == http::WsReceiver::Event::failed;
  client_closed_ = !failed_;
  end_code_ = step.code;
  if (state_ == State::open) {
    extra().last_word = hub_->log().end();
    if (failed_) extra().wrong = step.wrong;
    hub_->wake();
    hub_->again(*this);
  } else if (!queue_) {
    finish_closing();
  }
}

// The answer to that, or its being put off until what came before it was delivered.
void Subscriber::answer_last_step() {
  if (!hub_->has_delivered(extra_->last_word)) return hub_->again(*this);
  if (client_closed_) return close(end_code_, {}, shm::EventClose::client);
  const bool big = end_code_ == http::WsClose::message_too_big;
  close(end_code_, extra_->wrong, big ? shm::EventClose::too_big : shm::EventClose::protocol);
}

// Counts in seconds, beginning with a message. A client that comes near the limit is a warning to operators.
bool Subscriber::too_fast() {
  const config::Rate& limit = hub_->options().receive_rate;
  if (limit.count == 0) return false;
  const uint32_t now = hub_->wheel().now();
  const auto period = static_cast<uint32_t>(std::max<int64_t>(limit.period / Wheel::kTick, 1));
  if (now - received_from_ >= period) {
    received_from_ = now;
    received_ = 0;
    warned_ = false;
  }
  ++received_;
  if (!warned_ && received_ > limit.count / 2) {
    warned_ = true;
    hub_->meters().too_fast.add();
  }
  return received_ > limit.count;
}

void Subscriber::on_message(bool text, std::string_view payload) {
  if (form_.dress == Dress::envelope) {
    Command command;
    CommandError error;
    if (!text) {
      error.detail = "messages must be text";
    } else if (parse_command(payload, command, error)) {
      return on_command(command);
    } else if (command.type == Command::Type::publish) {
      hub_->publisher().note_refused(error.status);
    }
    std::string answer;
    append_error(answer, error);
    return say(std::move(answer));
  }
  if (const std::string channel = only_channel(); !channel.empty() && may_publish(channel)) {
    const auto kind = text ? shm::EventKind::text : shm::EventKind::binary;
    const PublishAnswer done = hub_->publisher().publish({channel, kind, payload, {}, {}});
    if (done.ok()) return;
    failed_ = true;
    // Not its fault.
    if (done.status >= 500) {
      return close(http::WsClose::try_again_later, done.detail, shm::EventClose::unavailable);
    }
    return close(http::WsClose::policy_violation, done.detail, shm::EventClose::protocol);
  }
  hub_->publisher().note_refused(403);
  failed_ = true;
  close(http::WsClose::policy_violation, "publishing is not allowed here", shm::EventClose::protocol);
}

// The channel of a connection that has no other; or "".
std::string Subscriber::only_channel() {
  std::string name;
  if (subscriptions() == 1) each_subscription([&](const Subscription& one) { name = one.channel->name; });
  return name;
}

bool Subscriber::may_publish(std::string_view channel) const {
  return hub_->options().websocket_publish && (!grant_ || grant_->may_publish(channel));
}

void Subscriber::publish(const Command& command, std::string& answer) {
  if (!may_publish(command.channel)) {
    hub_->publisher().note_refused(403);
    return append_error(answer, {command.id, 403,
                                 forbidden(grant_.get(), command.channel, "publishing is not allowed here")});
  }
  const EventMembers& event = command.event;
  const PublishAnswer done =
      hub_->publisher().publish({command.channel, event.kind, event.data, event.key, {}});
  if (done.ok()) {
    append_published(answer, command.channel, done, command.id);
  } else {
    append_error(answer, {command.id, done.status, problem_text(done)});
  }
}

void Subscriber::on_command(const Command& command) {
  std::string answer;
  Subscription* known = command.channel.empty() ? nullptr : find(command.channel);
  switch (command.type) {
    case Command::Type::ping:
      append_answer(answer, "pong", {}, command.id);
      break;
    case Command::Type::subscribe: {
      if (known) {
        append_error(answer, {command.id, 409, "this channel is subscribed"});
      } else if (grant_ && !grant_->may_subscribe(command.channel)) {
        append_error(answer,
                     {command.id, 403,
                      forbidden(grant_.get(), command.channel, "this channel may not be subscribed")});
      } else if (subscriptions() >= hub_->options().max_subscriptions) {
        append_error(answer, {command.id, 429, "too many channels"});
      } else if (Result<void> result = subscribe(command.channel, command.since); !result.ok()) {
        append_error(answer, {command.id, result.error().status, result.error().message});
      } else {
        known = find(command.channel);
        append_subscribed(answer, *known->channel, known->after, command.id);
        announce(*known);
        if (known->behind) hub_->again(*this);
      }
      break;
    }
    case Command::Type::unsubscribe:
      if (!known) {
        append_error(answer, {command.id, 404, "this channel is not subscribed"});
      } else {
        unsubscribe(*known);
        append_answer(answer, "unsubscribed", command.channel, command.id);
      }
      break;
    case Command::Type::publish:
      publish(command, answer);
      break;
  }
  say(std::move(answer));
}

void Subscriber::unsubscribe(Subscription& subscription) {
  if (extra_) std::erase_if(extra_->resumes, [&](const auto& one) { return one.first == &subscription; });
  leave(subscription);
  drop_extra();
}

}  // namespace banyan::handlers
