#!/usr/bin/perl
# Whom perl_survey (beside this) kills in Perl's IPC::Shareable, and who comes after:
#
#   perl ipc_shareable.pl make KEY     makes a scalar, prints the ids of its segment and semaphores
#   perl ipc_shareable.pl victim KEY   assigns another value under its lock, between two getppid(2)
#   perl ipc_shareable.pl check KEY    takes the lock, reads, assigns and reads again
#
# Exit status of check: 10 the old value was there, 11 the new one, 12 neither, 13 what it has
# assigned itself is not there; of all: 3 if the module is missing.
use strict;
use warnings;

eval { require IPC::Shareable; 1 } or exit 3;
my ($what, $key) = @ARGV;
my $length = 1000;
my ($old, $new, $next) = map { $_ x $length } 'a' .. 'c';
my $knot = tie my $shared, 'IPC::Shareable',
  { key => $key, create => $what eq 'make', destroy => 0, mode => 0600, size => 2 * $length };

if ($what eq 'make') {
    $shared = $old;
    print $knot->seg->id, ' ', $knot->sem->id, "\n";
} elsif ($what eq 'victim') {
    my $seen = $shared;
    my $mark = getppid;
    $knot->lock;
    $shared = $new;
    $knot->unlock;
    $mark = getppid;
} else {
    $knot->lock;
    my $seen = eval { $shared } // '';
    $shared = $next;
    $knot->unlock;
    exit 13 if $shared ne $next;
    exit($seen eq $old ? 10 : $seen eq $new ? 11 : 12);
}
