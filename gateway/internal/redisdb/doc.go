// Package redisdb is the only one that speaks Redis: it keeps tenants, keys, sessions and counters in the layout that
// operators know, on an external server or on the one that it embeds.
//
// What it keeps where:
//
//	tenants                 hash   ID → enabled|disabled, ID:quota, ID:scope (space-separated), ID:config (JSON, the rest)
//	key:KEYID               string JSON of an API key with the SHA-256 of its text
//	keys:ID                 set    the key ids of a tenant
//	quota:ID:YYYY-MM-DD     string accepted jobs of that day in the tenant's zone; kept 8 days
//	rate:ID:SECONDS         hash   window number → requests; the running window and the one before count
//	inflight:ID             zset   job id, scored by the millisecond at which its hold ends by itself
//	queued:ID               zset   the same of jobs that no worker is known to have begun; of tenants with max_queued
//	refresh:HASH            string JSON of a refresh token's family; refresh-used:HASH once it was used
//	revoked:KIND:ID         string until the last token that it ends would have ended by itself
//
// The hot path is one pipelined round trip of plain commands: the embedded server runs Lua ten times slower, and a
// pipeline that counts first and compares after can't over-admit.
package redisdb
