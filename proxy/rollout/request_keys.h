// The sticky keys of an HTTP request, read from the client's unchanged head.
#pragma once

#include <string_view>

#include "http/head.h"
#include "rollout/sticky.h"

namespace banyan::rollout {

class RequestKeys final : public KeyReader {
 public:
  // `head` and the text must outlive this and the keys found through it.
  RequestKeys(const http::RequestHead& head, std::string_view client_ip)
      : head_(head), client_ip_(client_ip) {}

  std::string_view cookie(std::string_view name) const override;
  std::string_view header(std::string_view name) const override;
  std::string_view client_ip() const override { return client_ip_; }

 private:
  const http::RequestHead& head_;
  std::string_view client_ip_;
};

}  // namespace banyan::rollout
