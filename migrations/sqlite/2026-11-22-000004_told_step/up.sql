-- The step of a code that told its owner that the clock is ahead: it is no answer when its time comes.
ALTER TABLE factors ADD COLUMN told_step INTEGER;
