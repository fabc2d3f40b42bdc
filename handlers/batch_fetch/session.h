// One request, from its body to its answer.
#pragma once

#include <memory>
#include <string>

#include "event/timer.h"
#include "handler/handler.h"
#include "handlers/batch_fetch/answer.h"
#include "handlers/batch_fetch/batch.h"
#include "handlers/batch_fetch/handler.h"

namespace banyan::handlers {

class BatchSession final : public handler::Session,
                           http::BodyReader::Listener,
                           http::BodyWriter::Listener,
                           Batch {
 public:
  BatchSession(BatchFetch& handler, handler::Call& call);
  ~BatchSession() override;

 private:
  enum class State { reading, fetching, over };

  void on_body() override;  // of the request
  void on_room() override;  // in the answer
  bool on_piece(size_t index, const Piece& piece) override;
  size_t room() const override { return answer_->room(); }
  void set_deadline(Millis timeout);
  void stop_reading(State next);
  void give_up(Error error);
  void refuse(int status, std::string_view why);
  void begin();
  void on_deadline();
  void finish();
  void report();
  std::string timing() const;

  BatchFetch& handler_;
  handler::Call& call_;
  State state_ = State::reading;
  std::string body_;
  std::unique_ptr<BatchAnswer> answer_;  // once the request was understood
  event::Timer deadline_;
  TimePoint due_{};     // of the answer's last byte
  bool aimed_ = false;  // it is answered because its time is up
  bool waits_for_room_ = false;
  TimePoint read_at_{};  // when the body was there
};

// RFC 9457.
void answer_problem(handler::Call& call, BufferPools& buffers, int status, std::string_view detail);

}  // namespace banyan::handlers
