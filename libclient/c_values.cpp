// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cstring>
#include <string_view>

#include <unistd.h>

#include "libclient/c_handles.h"

const char* hwvault_error_word(int code) {
    switch (code) {
        case HWVAULT_OK: return "Ok";
        case HWVAULT_ERROR_UNREACHABLE: return "Unreachable";
        case HWVAULT_ERROR_TIMEOUT: return "Timeout";
        case HWVAULT_ERROR_BAD_ANSWER: return "BadAnswer";
        default: break;
    }
    if (code < HWVAULT_OK || code > HWVAULT_ERROR_INTERNAL) code = HWVAULT_ERROR_INTERNAL;
    return hwvault::word(static_cast<hwvault::ErrorCode>(code)).data();  // of a literal, so it ends with a NUL
}

const void* hwvault_secret_data(const hwvault_secret* secret) {
    return secret->process == ::getpid() ? secret->bytes.reveal().data() : nullptr;
}

size_t hwvault_secret_size(const hwvault_secret* secret) {
    return secret->process == ::getpid() ? secret->bytes.size() : 0;
}

const hwvault_info* hwvault_secret_info(const hwvault_secret* secret) {
    return &secret->info;
}

void hwvault_secret_free(hwvault_secret* secret) {
    const std::unique_ptr<hwvault_secret> owned(secret);
}

const char* hwvault_info_account(const hwvault_info* info) {
    return info->info.account.c_str();
}

const char* hwvault_info_name(const hwvault_info* info) {
    return info->info.name.c_str();
}

const char* hwvault_info_id(const hwvault_info* info) {
    return info->info.id.c_str();
}

const char* hwvault_info_origin(const hwvault_info* info) {
    return info->info.origin.c_str();
}

const char* hwvault_info_description(const hwvault_info* info) {
    return info->info.description.c_str();
}

uint64_t hwvault_info_generation(const hwvault_info* info) {
    return info->info.generation;
}

int64_t hwvault_info_created_at(const hwvault_info* info) {
    return info->info.created_at;
}

int64_t hwvault_info_changed_at(const hwvault_info* info) {
    return info->info.changed_at;
}

int64_t hwvault_info_last_used_at(const hwvault_info* info) {
    return info->info.last_used_at;
}

const char* hwvault_info_last_used_by(const hwvault_info* info) {
    return info->info.last_used_by.c_str();
}

int64_t hwvault_info_expires_at(const hwvault_info* info) {
    return info->info.expires_at;
}

size_t hwvault_info_scope_count(const hwvault_info* info) {
    return info->info.scopes.size();
}

const char* hwvault_info_scope(const hwvault_info* info, size_t index) {
    return index < info->info.scopes.size() ? info->info.scopes[index].c_str() : nullptr;
}

int64_t hwvault_info_uid(const hwvault_info* info) {
    return info->info.uid ? std::int64_t{*info->info.uid} : -1;
}

size_t hwvault_info_owner_count(const hwvault_info* info) {
    return info->info.owners.size();
}

const char* hwvault_info_owner(const hwvault_info* info, size_t index) {
    return index < info->info.owners.size() ? info->info.owners[index].c_str() : nullptr;
}

int hwvault_info_revoked(const hwvault_info* info) {
    return info->info.revoked ? 1 : 0;
}

int hwvault_info_rollback_protected(const hwvault_info* info) {
    if (!info->info.rollback_protected) return -1;
    return *info->info.rollback_protected ? 1 : 0;
}

void hwvault_info_free(hwvault_info* info) {
    const std::unique_ptr<hwvault_info> owned(info);
}

int hwvault_verification_has_scope(const hwvault_verification* result, const char* scope) {
    if (result->active == 0) return 0;
    const char* entry = result->scopes;
    for (std::uint32_t i = 0; i < result->scope_count; ++i) {
        if (std::strcmp(entry, scope) == 0) return 1;
        entry += std::strlen(entry) + 1;
    }
    return 0;
}

size_t hwvault_report_count(const hwvault_report* report) {
    return report->lines.size();
}

const char* hwvault_report_key(const hwvault_report* report, size_t index) {
    return index < report->lines.size() ? report->lines[index].first.c_str() : nullptr;
}

const char* hwvault_report_value(const hwvault_report* report, size_t index) {
    return index < report->lines.size() ? report->lines[index].second.c_str() : nullptr;
}

const char* hwvault_report_get(const hwvault_report* report, const char* key) {
    const auto line = std::find_if(report->lines.begin(), report->lines.end(),
                                   [key](const auto& pair) { return pair.first == key; });
    return line == report->lines.end() ? nullptr : line->second.c_str();
}

void hwvault_report_free(hwvault_report* report) {
    const std::unique_ptr<hwvault_report> owned(report);
}
