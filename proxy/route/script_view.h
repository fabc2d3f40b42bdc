// One request as routing scripts look at it, over the client's unchanged head.
#pragma once

#include <string_view>

#include "handler/handler.h"
#include "http/head.h"
#include "lua/request_view.h"

namespace banyan::route {

// What is given must outlive the view; `route` is the name of the static match.
class ScriptView final : public lua::RequestView {
 public:
  ScriptView(const http::RequestHead& head, const handler::Client& client, std::string_view route)
      : head_(head), client_(client), route_(route) {}

  std::string_view method() const override { return head_.method_text; }
  std::string_view path() const override { return head_.path; }
  std::string_view query() const override { return head_.query; }
  std::string_view host() const override;
  std::string_view client_ip() const override { return client_.ip; }
  std::string_view route() const override { return route_; }
  bool tls() const override { return client_.tls; }
  std::string_view client_subject() const override { return client_.subject; }
  size_t header_count() const override { return head_.fields.size(); }
  lua::Field header_at(size_t index) const override;
  std::optional<std::string_view> header(std::string_view name) const override;

 private:
  const http::RequestHead& head_;
  const handler::Client& client_;
  std::string_view route_;
  mutable Arena arena_;
};

}  // namespace banyan::route
