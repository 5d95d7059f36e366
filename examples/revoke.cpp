// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What to do when a token has leaked: gets the caller's own, revokes it, and sees that the old one is dead and the
// new one is good. Prints what it sees, never a token.
#include <iostream>

#include <hwvault/hwvault.hpp>

int main() try {
    hwvault::client vault;  // $HWVAULT_ADDRESS, or the system's vault

    const hwvault::secret leaked = vault.retrieve();
    std::cout << "generation " << leaked.info().generation() << " is "
              << (vault.verify(leaked.bytes()) ? "good" : "dead") << "\n";

    vault.revoke();
    const hwvault::secret successor = vault.retrieve();
    const hwvault::verification before = vault.verify(leaked.bytes());
    const hwvault::verification after = vault.verify(successor.bytes());
    std::cout << "generation " << leaked.info().generation() << " is " << (before ? "good" : "dead") << "\n"
              << "generation " << successor.info().generation() << " is " << (after ? "good" : "dead") << "\n";
    return !before && after ? 0 : 1;
} catch (const hwvault::error& error) {
    std::cerr << error.word() << ": " << error.what() << "\n";
    return 1;
}
