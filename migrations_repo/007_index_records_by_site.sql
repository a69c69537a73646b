-- =====================================================
-- Migration: 007 - Index records by site
-- Ticket: TICKET-004
-- Author: Ada Lindqvist
-- Date: 2025-11-17
-- Purpose: List the newest records of a site without reading the whole table
-- Dependencies: 001
-- Rollback: lossless
-- =====================================================

-- CONCURRENTLY lets people go on writing while the index is built; it runs outside a transaction, so it stands alone.

CREATE INDEX CONCURRENTLY record_state_site_changed_idx ON record_state (site_id, changed_at);
