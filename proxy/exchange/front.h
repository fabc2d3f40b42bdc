// Where connections hand in their requests: makes exchanges, and lends them what they share in this process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "event/loop.h"
#include "exchange/access_line.h"
#include "exchange/admission.h"
#include "exchange/fallback_budget.h"
#include "exchange/farewells.h"
#include "exchange/follow.h"
#include "exchange/site.h"
#include "exchange/timestamps.h"
#include "http/inbound.h"
#include "shm/counters.h"
#include "shm/rollout_statistics.h"

namespace banyan::exchange {

// Takes whole lines of the access log; queues them, never blocks.
class AccessLog {
 public:
  virtual void write_access(std::string_view line) = 0;

 protected:
  ~AccessLog() = default;
};

class Front final : public http::StreamOpener {
 public:
  // All outlive the front. `worker` is the number that stands in the log.
  struct Surroundings {
    event::Loop& loop;
    BufferPools& buffers;
    shm::Counters& counters;
    shm::RateLimiter& rates;
    shm::InFlight& in_flight;
    shm::RolloutStatistics& rollouts;
    AccessLog& access_log;
    int worker = 0;
    uint32_t workers = 1;  // of all that share the traffic
    // There are more or fewer connections that handlers have taken over; from the loop. May be empty.
    Callback handed_over_changed = {};
    const LoadJudge* load = nullptr;  // null: never overloaded
  };

  explicit Front(const Surroundings& surroundings)
      : here_(surroundings),
        admission_(here_.rates, here_.in_flight, here_.counters, here_.load),
        follow_(here_.loop, static_cast<uint32_t>(here_.worker), here_.workers),
        farewells_(here_.loop),
        handed_over_notice_(here_.loop, here_.handed_over_changed) {}

  // Requests from now on see this configuration.
  void switch_to(std::shared_ptr<const Site> site);
  // The process stops: answers carry "Connection: close" from now on, and long-lived ones are ended politely
  // within that time. Those that handlers have taken over are theirs to end.
  void drain(Duration time);
  // Exchanges under way.
  size_t active() const { return active_; }
  uint64_t requests() const { return requests_; }
  // Connections that handlers have taken over and not ended yet.
  size_t handed_over() const { return handed_over_; }

  // http::StreamOpener
  std::unique_ptr<http::StreamUser> open(http::InboundStream& stream) override;
  void on_refused(const http::ConnectionInfo& connection, const Error& error, uint64_t bytes_sent) override;
  void on_handshake(const http::ConnectionInfo& connection, std::string_view failure) override;
  void on_no_request(const http::ConnectionInfo& connection) override;
  const http::InboundSettings& inbound_settings() const override { return site_->inbound; }
  std::string_view http_date() override { return timestamps().http_date(); }
  bool draining() const override { return draining_; }

 private:
  friend class Exchange;
  friend class HandedOver;
  std::unique_ptr<http::RequestHead> borrow_head();
  void give_back_head(std::unique_ptr<http::RequestHead> head);
  const Timestamps& timestamps();
  // Notes one call of the site's script.
  void count_script(const Site& site, const lua::CallResult& result);
  void write_access(AccessFacts& facts, const Site& site);
  void count_handed_over(int change);

  Surroundings here_;
  Admission admission_;
  FallbackBudgets fallbacks_;
  Follow follow_;
  Farewells farewells_;
  std::shared_ptr<const Site> site_;
  Random random_;
  Timestamps timestamps_;
  http::ResponseHead response_;  // the one being made; used up within respond()
  std::vector<std::unique_ptr<http::RequestHead>> heads_;
  std::string line_;
  size_t active_ = 0;
  size_t handed_over_ = 0;
  event::Deferred handed_over_notice_;
  uint64_t requests_ = 0;
  double script_seconds_ = 0;  // spent in the site's script up to its last call
  bool draining_ = false;
};

}  // namespace banyan::exchange
