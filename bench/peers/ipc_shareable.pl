#!/usr/bin/perl
# What perl_shareable (beside this) measures of Perl's IPC::Shareable:
#
#   perl ipc_shareable.pl version
#   perl ipc_shareable.pl read|write|locked_write COUNT
#
# The first prints the module's version. The others do it so many times to a shared hash with the
# entries of shapes::map100 (lib/subject/shapes.h), and print the seconds that took and the ids of
# the hash's System V segment and semaphores, which are gone with this program. Exit status: 3 if
# the module is missing.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

eval { require IPC::Shareable; 1 } or exit 3;
my ($what, $count) = @ARGV;
if ($what eq 'version') {
    print "$IPC::Shareable::VERSION\n";
    exit 0;
}

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);    # so that END blocks run: they remove it
my %values = map { 'key' . (10000 + $_) => "value of number $_" } 0 .. 99;
my $knot = tie my %shared, 'IPC::Shareable', { create => 1, destroy => 1, mode => 0600 };

sub assign_locked {
    $knot->lock;
    %shared = %values;
    $knot->unlock;
}

my $seen;
my %operations = (
    read         => sub { $seen   = $shared{key10050} for 1 .. $count },
    write        => sub { %shared = %values           for 1 .. $count },
    locked_write => sub { assign_locked() for 1 .. $count },
);
assign_locked();
my $begin = clock_gettime(CLOCK_MONOTONIC);
$operations{$what}->();
my $seconds = clock_gettime(CLOCK_MONOTONIC) - $begin;
die "the hash does not hold what was stored\n"
  if join(',', %shared{sort keys %values}) ne join(',', %values{sort keys %values});
printf "%.9f %d %d\n", $seconds, $knot->seg->id, $knot->sem->id;
