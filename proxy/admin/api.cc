#include "admin/api.h"

#include <fmt/format.h>

#include <utility>

#include "admin/pages.h"
#include "admin/reply.h"
#include "admin/request.h"
#include "base/constant_time.h"
#include "control/texts.h"

namespace banyan::admin {
namespace {

void send(handler::Call& call, BufferPools& buffers, const Reply& reply) {
  http::ResponseHead head;
  head.status = reply.status;
  head.fields.add(http::FieldId::content_type, reply.content_type);
  head.fields.add("Cache-Control", "no-store");
  head.fields.add("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : reply.fields) head.fields.add(name, value);
  handler::answer(call, buffers, std::move(head), reply.body);
}

Result<Request> make_request(const http::RequestHead& head, std::string door) {
  Request request;
  request.method = head.method == http::Method::head ? "GET" : std::string(head.method_text);
  Result<std::vector<std::string>> segments = split_path(head.path);
  if (!segments) return std::move(segments).error();
  request.segments = std::move(*segments);
  auto parameters = split_query(head.query);
  if (!parameters) return std::move(parameters).error();
  request.parameters = std::move(*parameters);
  request.door = std::move(door);
  return request;
}

}  // namespace

// One call that is not answered yet: the body is still coming, or the master is asked.
class ApiSession final : public handler::Session, private http::BodyReader::Listener {
 public:
  ApiSession(Api& api, handler::Call& call, Request request)
      : api_(api), call_(call), request_(std::move(request)) {
    call_.request_body().listen(this);
  }
  ~ApiSession() override {
    if (waits_for_) api_.waiting_.erase(waits_for_);
    call_.request_body().listen(nullptr);
  }

  void on_outcome(bool done, const std::vector<std::string>& lines) {
    waits_for_ = 0;
    reply(done ? make_reply_(api_.sources_, lines) : problem(422, "refused; nothing was changed", lines));
  }

 private:
  void on_body() override {
    if (done_) return;
    http::BodyReader& body = call_.request_body();
    while (!body.empty()) {
      request_.body += body.front().view();
      body.consume(body.front().size);
    }
    if (request_.body.size() > Api::kLargestBody) {
      return reply(problem(413, fmt::format("a body has at most {} bytes", Api::kLargestBody)));
    }
    if (body.error()) {
      done_ = true;
      return call_.fail(*body.error());
    }
    if (body.at_end()) carry_out();
  }

  void carry_out() {
    Answer answer = answer_request(api_.sources_, request_);
    if (const Reply* now = std::get_if<Reply>(&answer)) return reply(*now);
    done_ = true;
    waits_for_ = std::get<Waiting>(answer).request;
    make_reply_ = std::get<Waiting>(answer).reply;
    api_.waiting_[waits_for_] = this;
  }

  void reply(const Reply& reply) {
    done_ = true;
    send(call_, api_.sources_.buffers, reply);
  }

  Api& api_;
  handler::Call& call_;
  Request request_;
  uint64_t waits_for_ = 0;
  decltype(Waiting::reply) make_reply_ = nullptr;
  bool done_ = false;  // nothing more of the body is of interest
};

void Api::on_outcome(uint64_t request, bool done, const std::vector<std::string>& lines) {
  auto found = waiting_.find(request);
  if (found == waiting_.end()) return;
  ApiSession* session = found->second;
  waiting_.erase(found);
  session->on_outcome(done, lines);
}

std::unique_ptr<handler::Session> ApiHandler::open(handler::Call& call) {
  BufferPools& buffers = api_.sources().buffers;
  if (!authorized(call)) {
    Reply refusal = problem(401, "this door needs \"Authorization: Bearer TOKEN\"");
    refusal.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"banyan\"");
    send(call, buffers, refusal);
    return nullptr;
  }
  Result<Request> request = make_request(call.request(), door_);
  if (!request) {
    send(call, buffers, problem(request.error().status, request.error().message));
    return nullptr;
  }
  return std::make_unique<ApiSession>(api_, call, std::move(*request));
}

bool ApiHandler::authorized(const handler::Call& call) const {
  if (!token_) return true;
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = call.request().fields.get(http::FieldId::authorization);
  return given.size() > kScheme.size() &&
         http::equal_ignoring_case(given.substr(0, kScheme.size()), kScheme) &&
         equal_in_constant_time(given.substr(kScheme.size()), *token_);
}

}  // namespace banyan::admin
