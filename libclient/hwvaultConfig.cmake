# SPDX-License-Identifier: LGPL-2.1-or-later
# find_package(hwvault): the target hwvault::hwvault.
include("${CMAKE_CURRENT_LIST_DIR}/hwvaultTargets.cmake")
