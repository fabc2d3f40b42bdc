#include "net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstring>

#include "base/check.h"

namespace banyan::net {
namespace {

constexpr int kRefused = -1;  // an error: the handshake fails
constexpr int kUnknown = 0;   // a full handshake, or no ticket
constexpr int kGood = 1;
constexpr int kGoodButOld = 2;  // resumed, and the client gets a new one

int keys_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool set_mac(EVP_MAC_CTX* mac, const shm::TicketKey& key) {
  char digest[] = "SHA256";
  auto* bytes = const_cast<uint8_t*>(key.mac.data());
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, key.mac.size()),
                             OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                             OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int seal(const shm::TicketKeys& keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
         EVP_MAC_CTX* mac) {
  if (keys.count == 0) return kUnknown;
  const shm::TicketKey& key = keys.keys[0];
  std::memcpy(name, key.name.data(), key.name.size());
  const EVP_CIPHER* aes = EVP_aes_256_cbc();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1 ||
      EVP_EncryptInit_ex(cipher, aes, nullptr, key.cipher.data(), iv) != 1 || !set_mac(mac, key)) {
    return kRefused;
  }
  return kGood;
}

int open(const shm::TicketKeys& keys, bool used_once, const unsigned char* name, const unsigned char* iv,
         EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  for (size_t i = 0; i < keys.count; ++i) {
    const shm::TicketKey& key = keys.keys[i];
    if (std::memcmp(name, key.name.data(), key.name.size()) != 0) continue;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) != 1 ||
        !set_mac(mac, key)) {
      return kRefused;
    }
    return i == 0 && !used_once ? kGood : kGoodButOld;
  }
  return kUnknown;
}

int on_ticket(SSL* connection, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int sealing) {
  auto* keys = static_cast<TlsTicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), keys_index()));
  if (!keys) return kUnknown;
  if (sealing) return seal(keys->current(), name, iv, cipher, mac);
  // Clients of TLS 1.3 use a ticket once (RFC 8446 section C.4): without another one, every second
  // connection would be a full handshake.
  const bool used_once = SSL_version(connection) == TLS1_3_VERSION;
  return open(keys->current(), used_once, name, iv, cipher, mac);
}

}  // namespace

const shm::TicketKeys& TlsTicketKeys::current() {
  if (cell_.sequence() != sequence_) {
    auto snapshot = cell_.snapshot();
    keys_ = snapshot.value;
    sequence_ = snapshot.sequence;
  }
  return keys_;
}

bool use_ticket_keys(SSL_CTX* context, TlsTicketKeys& keys) {
  // As long as the oldest key that opens.
  SSL_CTX_set_timeout(context, std::chrono::seconds(3 * shm::kTicketKeyTime).count());
  return SSL_CTX_set_ex_data(context, keys_index(), &keys) == 1 &&
         SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}

shm::TicketKey make_ticket_key() {
  shm::TicketKey key;
  static_assert(sizeof key == 80, "no padding: all bytes are random");
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&key), sizeof key) == 1);
  return key;
}

}  // namespace banyan::net
