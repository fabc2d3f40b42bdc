#include "handler/offload.h"

#include <fmt/format.h>

#include <atomic>
#include <exception>
#include <optional>

#include "event/thread_pool.h"

namespace banyan::handler {
namespace {

// What the loop and the pool share; lives until both have let go.
struct Shop {
  std::unique_ptr<const BlockingHandler> blocking;
  std::atomic<size_t> pending = 0;
};

// One call on its way through the pool. `request` is filled on the loop before, `response` or `failure` on
// the pool, and the pool's own locks order the two.
struct Order {
  explicit Order(std::shared_ptr<Shop> shop) : shop(std::move(shop)) { ++this->shop->pending; }
  ~Order() { --shop->pending; }

  void work() {
    if (cancelled) return;
    try {
      response = shop->blocking->serve(request);
    } catch (const std::exception& exception) {
      failure = exception.what();
    } catch (...) {
      failure = "unknown exception";
    }
  }

  std::shared_ptr<Shop> shop;
  Request request;
  Response response;
  std::optional<std::string> failure;
  std::atomic<bool> cancelled = false;
};

Request make_request(Call& call) {
  const http::RequestHead& head = call.outbound();
  Request request;
  request.method = head.method;
  request.method_text = head.method_text;
  request.path = head.path;
  request.query = head.query;
  request.host = head.host;
  request.client_ip = call.client().ip;
  request.deadline = call.deadline();
  for (const http::Field& field : head.fields) request.fields.emplace_back(field.name, field.value);
  return request;
}

Error too_large(size_t limit) {
  return client_error(413, fmt::format("the request body is longer than {} bytes", limit));
}

void answer_busy(Call& call, BufferPools& buffers) {
  http::ResponseHead head;
  head.status = 503;
  head.fields.add(http::FieldId::retry_after, "1");
  head.fields.add(http::FieldId::content_type, "text/plain; charset=utf-8");
  answer(call, buffers, std::move(head), "busy, try again\n");
}

class OffloadSession final : public Session, public http::BodyReader::Listener {
 public:
  OffloadSession(Call& call, std::shared_ptr<Shop> shop, Services& services, const OffloadOptions& options)
      : call_(call), shop_(std::move(shop)), services_(services), options_(options) {
    call_.request_body().listen(this);
  }

  ~OffloadSession() override {
    if (collecting_) stop_collecting();
    if (order_) order_->cancelled = true;
  }

  void on_body() override {
    http::BodyReader& reader = call_.request_body();
    while (!reader.empty()) {
      body_.append(reader.front().view());
      reader.consume(reader.front().size);
      if (body_.size() > options_.max_body) return give_up(too_large(options_.max_body));
    }
    if (reader.error()) return give_up(*reader.error());
    if (reader.at_end()) submit();
  }

 private:
  void stop_collecting() {
    collecting_ = false;
    call_.request_body().listen(nullptr);
  }

  void give_up(Error error) {
    stop_collecting();
    call_.fail(std::move(error));
  }

  void submit() {
    stop_collecting();
    if (shop_->pending >= options_.max_pending) return answer_busy(call_, services_.buffers);
    order_ = std::make_shared<Order>(shop_);
    order_->request = make_request(call_);
    order_->request.body = std::move(body_);
    job_ = services_.pool.submit([order = order_] { order->work(); }, [this] { finish(); });
  }

  void finish() {
    const std::shared_ptr<Order> order = std::move(order_);
    if (order->failure) return call_.fail(handler_error(500, "the handler failed: " + *order->failure));
    const Response& response = order->response;
    http::ResponseHead head;
    head.status = response.status;
    for (const auto& [name, value] : response.fields) head.fields.add_copy(name, value);
    answer(call_, services_.buffers, std::move(head), response.body);
  }

  Call& call_;
  std::shared_ptr<Shop> shop_;
  Services& services_;
  const OffloadOptions& options_;
  bool collecting_ = true;
  std::string body_;
  std::shared_ptr<Order> order_;
  event::PoolJob job_;
};

class OffloadHandler final : public Handler {
 public:
  OffloadHandler(std::unique_ptr<BlockingHandler> blocking, Services& services, const OffloadOptions& options)
      : shop_(std::make_shared<Shop>()), services_(services), options_(options) {
    shop_->blocking = std::move(blocking);
  }

  std::unique_ptr<Session> open(Call& call) override {
    const http::BodyLength& body = call.request().body;
    if (body.kind == http::BodyKind::sized && body.size > options_.max_body) {
      call.fail(too_large(options_.max_body));
      return nullptr;
    }
    return std::make_unique<OffloadSession>(call, shop_, services_, options_);
  }

 private:
  std::shared_ptr<Shop> shop_;
  Services& services_;
  OffloadOptions options_;
};

}  // namespace

std::string_view Request::field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (http::equal_ignoring_case(known, name)) return value;
  }
  return {};
}

std::unique_ptr<Handler> offload(std::unique_ptr<BlockingHandler> blocking, Services& services,
                                 const OffloadOptions& options) {
  return std::make_unique<OffloadHandler>(std::move(blocking), services, options);
}

}  // namespace banyan::handler
