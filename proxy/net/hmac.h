// Signing a message with a shared secret.
#pragma once

#include <string>
#include <string_view>

namespace banyan::net {

// HMAC-SHA256 (RFC 2104, FIPS 180-4) as 64 lower-case hexadecimal digits.
std::string hmac_sha256_hex(std::string_view key, std::string_view message);

}  // namespace banyan::net
