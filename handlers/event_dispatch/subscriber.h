// One subscriber's connection: a WebSocket or an event stream that its exchange has handed over. There are
// very many of them, most of them silent, so that what is rarely needed is not there until it is.
//
//   joining ── begin() ─▶ open ── close() ─▶ closing ── all sent, client agreed, or 5 s ─▶ gone
//
//   rounds ─▶ send ─▶ kernel              replays (behind) ─▶ send, as long as nothing waits
//               └──▶ OutQueue, if it has no room; limited by `queue`
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/deferred.h"
#include "handler/handler.h"
#include "handlers/event_dispatch/channel_book.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/out_queue.h"
#include "handlers/event_dispatch/rights.h"
#include "handlers/event_dispatch/wheel.h"
#include "http/ws_receiver.h"
#include "net/stream.h"
#include "shm/labels.h"

namespace banyan::handlers {

class EventHub;
class Rights;
struct Command;

class Subscriber final : public event::Disposable,
                         public WheelEntry,
                         private net::Stream::Listener,
                         private EventListener {
 public:
  // The hub outlives it. Compressed forms are for clients that agreed to it, and read from them, too.
  Subscriber(EventHub& hub, const Form& form) : hub_(&hub), form_(form) {}
  ~Subscriber() override;

  // ---- joining: what happens from now on in the channel will be sent.
  // Error: the log's, see ChannelBook::subscribe.
  Result<void> subscribe(std::string_view channel, const Resume& resume);
  // What it may do; without a grant, everything.
  void set_grant(std::unique_ptr<Grant> grant) { grant_ = std::move(grant); }
  // Takes the connection over, which the hub has put under its roof. `changed`: other rights than those under
  // which it was let in; null: they are the same.
  void begin(handler::Connection connection, const Rights* changed);

  // ---- orders of the hub
  // Ends the connection politely; no-op when that is under way. `retry` is said to event streams: when to
  // come back.
  void close(http::WsClose code, std::string_view reason, shm::EventClose why, Millis retry = Millis(0));
  // What it came with is looked at again under other rights; see EventHub::apply(). `answer_stands`: what the
  // service of `authorize` said about it still counts. `spread`: if only a new request can tell, it has to
  // make one within that time.
  void renew(const Rights& rights, bool answer_stands, Millis spread);
  // Its time on the wheel has come.
  void on_due();
  // What it asked for with EventHub::again().
  void on_turn();
  // Sends what on_events() put off.
  void flush();

  shm::EventTransport transport() const { return static_cast<shm::EventTransport>(form_.dress); }
  bool open() const { return state_ == State::open; }
  bool gone() const { return state_ == State::gone; }

 private:
  enum class State : uint8_t { joining, open, closing, gone };
  // What few have for long.
  struct Extra {
    std::vector<std::unique_ptr<Subscription>> further;  // channels but the first
    std::vector<std::pair<Subscription*, Resume>> resumes;
    std::optional<http::WsReceiver> receiver;  // of a message that is under way
    uint64_t dropped = 0;                      // messages, not announced yet
    uint64_t last_word = 0;                    // end of the log when it ended
    std::string_view wrong;                    // static text, if it failed
  };

  void on_readable() override;
  void on_writable() override;
  void warm_up() const override;
  void on_events(Subscription& subscription, ChannelRound& round) override;
  void on_missed(Subscription& subscription) override;
  void on_moved();

  // subscriber.cc
  void finish_closing();
  void on_due_closing();
  bool expired() const;
  void close_outdated();
  Millis until_due() const;
  void note_end(shm::EventClose why);
  void go();
  Extra& extra();
  void drop_extra();
  Subscription* find(std::string_view channel) const;
  void announce(const Subscription& subscription);
  void leave(Subscription& subscription);
  void leave_all();
  size_t subscriptions() const { return (first_.channel ? 1 : 0) + (extra_ ? extra_->further.size() : 0); }
  template <class Visit>
  void each_subscription(Visit visit) {
    if (first_.channel) visit(first_);
    if (!extra_) return;
    for (const auto& one : extra_->further) {
      if (one->channel) visit(*one);
    }
  }

  // subscriber_sending.cc
  void send_some(Subscription& subscription, ChannelRound& round);
  void send(const RunPart& part);
  void put(const RunPart& part);
  void keep(const RunPart& part);
  void keep_rest(const RunPart& part, size_t sent);
  void wait_for_room();
  void say(std::string bytes);
  void put_text(std::string bytes);
  void keep_in_limits();
  void announce_dropped();
  bool sealed() const { return !stream_->tls_protocol().empty(); }

  // subscriber_replay.cc
  void welcome();
  void catch_up();
  bool catch_up(Subscription& subscription);
  bool retry_later();
  bool announce_gap(Subscription& subscription, uint64_t first_available);
  void append(std::string& out, Subscription& subscription, const StoredEvent& event);
  std::string stream_id();

  // subscriber_input.cc
  void read();
  void receive(std::span<char> bytes);
  // Its close frame came, or something wrong, and is not answered yet.
  bool wants_answer() const { return state_ == State::open && (client_closed_ || failed_); }
  // What it sends is not looked for.
  bool has_to_wait() const { return state_ == State::gone || wants_answer(); }
  void on_babble();
  void on_silence();
  void on_step(const http::WsReceiver::Step& step);
  bool too_fast();
  void on_last_step(const http::WsReceiver::Step& step);
  void answer_last_step();
  void on_message(bool text, std::string_view payload);
  void on_command(const Command& command);
  std::string only_channel();
  bool may_publish(std::string_view channel) const;
  void publish(const Command& command, std::string& answer);
  void unsubscribe(Subscription& subscription);

  // What sending an event touches stands together, see warm_up().
  Subscription first_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<OutQueue> queue_;  // if something waits
  std::unique_ptr<Extra> extra_;
  EventHub* hub_;
  Form form_;
  State state_ = State::joining;
  bool awaiting_pong_ : 1 = false;  // or, of an event stream, that it reads
  bool client_closed_ : 1 = false;  // its close frame came
  bool failed_ : 1 = false;         // what it sends is thrown away
  bool outdated_ : 1 = false;       // on_due() sends it away, because rights have changed
  bool reading_ : 1 = false;        // on_turn() goes on with it
  bool put_off_ : 1 = false;        // the hub will call flush()
  bool warned_ : 1 = false;         // it sends fast
  bool retrying_ : 1 = false;       // on_due() goes on with catch_up()
  bool large_buffer_ : 1 = false;   // the kernel's, see wait_for_room()
  bool taken_ : 1 = false;          // the kernel took something of the queue since the last grace
  uint8_t graces_ : 4 = 0;          // that it was given while closing

  http::WsClose end_code_ = http::WsClose::no_status;  // to answer with, of what it sent last
  std::unique_ptr<Grant> grant_;
  std::unique_ptr<handler::Tenure> tenure_;
  uint64_t serial_ = 0;         // for presence; 0: not announced yet
  uint32_t received_ = 0;       // messages in the second
  uint32_t received_from_ = 0;  // that began at this tick

 public:
  uint32_t place_in_again = UINT32_MAX;  // the hub's
};

}  // namespace banyan::handlers
