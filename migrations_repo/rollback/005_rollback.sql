-- =====================================================
-- Rollback: 005 - Backfill device info
-- =====================================================

-- Empties what the backfill filled. Values written by the trigger of 004 carry no mark and stay.

-- changecontrol: batch key=record_id size=200 expect>0
UPDATE record_state
   SET device_info = NULL
 WHERE device_info @> '{"backfilled": true}';
