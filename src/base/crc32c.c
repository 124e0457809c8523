/* SPDX-License-Identifier: MIT */
typedef int gr_placeholder;
