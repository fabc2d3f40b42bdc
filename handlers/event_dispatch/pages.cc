#include "handlers/event_dispatch/pages.h"

#include <fmt/format.h>

#include "base/json_text.h"
#include "handlers/event_dispatch/refusal.h"

namespace banyan::handlers {
namespace {

// Channels of one slice: each takes the log's lock for a moment.
constexpr size_t kChannelsAtOnce = 200;

void append_channel(std::string& json, const shm::EventLog::Channel& channel, TimePoint now) {
  json += "{\"channel\":";
  append_json_string(json, channel.name);
  fmt::format_to(std::back_inserter(json), ",\"subscribers\":{},\"epoch\":{},\"offset\":{}",
                 channel.subscribers, channel.last.epoch, channel.last.offset);
  if (channel.published) {
    const auto age =
        std::chrono::duration_cast<Millis>(std::max<Duration>(now - *channel.published, Duration(0)));
    fmt::format_to(std::back_inserter(json), ",\"age_ms\":{}", age.count());
  }
  json += '}';
}

http::ResponseHead page_head() {
  http::ResponseHead head;
  head.fields.add(http::FieldId::content_type, "application/json");
  head.fields.add("Cache-Control", "no-store");
  return head;
}

class ChannelsPage final : public handler::Session, private http::BodyWriter::Listener {
 public:
  ChannelsPage(handler::Call& call, std::shared_ptr<EventHub> hub)
      : hub_(std::move(hub)),
        writer_(call.response_body()),
        slice_(hub_->loop(), Callback::to<&ChannelsPage::write_slice>(this)) {
    writer_.listen(this);
    slice_.schedule();
  }
  ~ChannelsPage() override {
    if (!writer_.finished()) writer_.listen(nullptr);
  }

 private:
  void on_room() override { slice_.schedule(); }

  void write_slice() {
    if (writer_.finished()) return;
    std::vector<shm::EventLog::Channel> found;
    Result<uint32_t> next = hub_->log().list(from_, kChannelsAtOnce, found);
    if (!next.ok()) return stop(&next.error());
    std::string json = from_ == 0 ? "{\"channels\":[" : "";
    for (const shm::EventLog::Channel& channel : found) {
      json += first_ ? "\n" : ",\n";
      first_ = false;
      append_channel(json, channel, hub_->loop().now());
    }
    const bool end = *next >= hub_->options().channels;
    if (end) json += "\n]}\n";
    writer_.write_copy(hub_->services().buffers.large, json);
    if (end) return stop(nullptr);
    from_ = *next;
    if (!writer_.full()) slice_.schedule_next_turn();
  }

  void stop(const Error* error) {
    writer_.listen(nullptr);
    error ? writer_.fail(*error) : writer_.end();
  }

  std::shared_ptr<EventHub> hub_;
  http::BodyWriter& writer_;
  event::Deferred slice_;
  uint32_t from_ = 0;
  bool first_ = true;
};

}  // namespace

void answer_channel_page(handler::Call& call, EventHub& hub, const std::string& channel) {
  Result<std::optional<shm::EventLog::Channel>> found = hub.log().find(channel);
  if (!found.ok()) return call.fail(std::move(found).error());
  BufferPools& buffers = hub.services().buffers;
  if (!*found) return answer_refusal(call, buffers, client_error(404, "there is no such channel"));
  std::string json;
  append_channel(json, **found, hub.loop().now());
  handler::answer(call, buffers, page_head(), json + "\n");
}

std::unique_ptr<handler::Session> open_channels_page(handler::Call& call, std::shared_ptr<EventHub> hub) {
  http::ResponseHead head = page_head();
  head.body = {http::BodyKind::streamed, 0};
  call.respond(head);
  if (call.request().method == http::Method::head) {
    call.response_body().end();
    return nullptr;
  }
  return std::make_unique<ChannelsPage>(call, std::move(hub));
}

}  // namespace banyan::handlers
