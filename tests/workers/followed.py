"""Which tests follow each sentence of the runbook of docs/operating.md: the sentence's first words, and its tests.

A test is `module.test` below tests/, of workers/ where nothing else is said.
"""

FOLLOWED: dict[str, dict[str, tuple[str, ...]]] = {
    "EnrichNoWorker": {
        "Prometheus reaches no worker": ("docker/test_alerts.test_every_alert_is_tried",),
        "Run `docker compose ps`": (
            "test_parts.test_without_a_broker_every_verb_says_how_to_start_one",
            "test_runbook_in_one_process.test_a_worker_whose_settings_are_wrong_says_which_in_one_line",
        ),
        "Nothing is lost meanwhile": ("test_runs_together.test_messages_of_every_kind_can_be_sent",),
    },
    "EnrichNoSuccessfulRun": {
        "No run was completed": ("docker/test_alerts.test_promtool_finds_nothing_wrong",),
        "`enrich jobs` lists": (
            "test_runbook_in_one_process.test_a_paused_job_is_listed_as_such_until_it_is_resumed",
        ),
        "Of one that has failed": (
            "test_runbook_in_one_process.test_a_failed_night_is_listed_with_its_reason_and_does_not_keep_the_next_from_starting",
            "test_runs_together.test_pause_and_resume",
        ),
        "One that is resting": (
            "test_telemetry.test_a_night_that_rests_says_so_once",
            "test_in_one_process.test_the_nightly_run_rests_in_its_windows",
        ),
        "If no run of last night": (
            "test_parts.test_health_with_a_broker_but_no_store",
            "docker/test_commands.test_ours_with_the_example_settings",
        ),
        "A night that was missed": ("test_runs_together.test_two_beats_make_up_one_missed_night",),
        "A night whose message was lost": (
            "test_schedule.test_beat_asks_until_the_register_has_the_night",
            "test_schedule.test_a_night_that_met_no_broker_is_asked_for_when_it_is_back",
            "test_schedule.test_a_register_that_cannot_be_read_is_read_later",
            "test_clocks.test_a_night_that_nobody_opens_is_asked_for_each_minute_only",
        ),
        "Why it could not be begun": (
            "test_runbook_in_one_process.test_a_night_that_met_a_store_that_was_down_says_so_and_is_opened_when_asked_again",
        ),
    },
    "EnrichStoreUnavailable": {
        "The store refuses": (
            "test_failures_in_one_process.test_a_store_that_is_away_costs_nothing_but_time",
            "test_chaos.test_store_fails_hangs_and_goes_down",
            "test_chaos.test_disk_full",
            "test_watch.test_a_store_that_is_of_no_use_is_away",
        ),
        "Workers wait": ("test_chaos.test_store_fails_hangs_and_goes_down",),
        "With Oxigraph a full disk": ("test_chaos.test_disk_full",),
        "Do not delete": (
            "test_runbook_in_one_process.test_the_log_files_of_a_store_hold_what_was_written_last",
        ),
    },
    "EnrichBrokerUnavailable": {
        "Start Redis": (
            "test_chaos.test_redis_restarted_then_wiped",
            "test_watch.test_a_broker_that_is_full_or_gone_is_away",
        ),
        "If it was emptied": ("test_chaos.test_redis_restarted_then_wiped",),
        "Redis must not evict": ("docker/test_commands.test_redis_and_its_health_check",),
        "If its memory is full": ("test_broker_faults.test_redis_without_memory_is_waited_out",),
        "A connection through": ("test_broker_faults.test_a_connection_that_fell_silent_is_noticed",),
    },
    "EnrichRunStopped": {
        "`enrich jobs` shows": (
            "test_runbook.test_a_stopped_night_says_why_and_does_not_keep_the_next_from_starting",
        ),
        "Mend it": (
            "test_runbook.test_a_stopped_night_says_why_and_does_not_keep_the_next_from_starting",
            "test_runbook_in_one_process.test_a_failed_night_is_listed_with_its_reason_and_does_not_keep_the_next_from_starting",
        ),
        "A failed nightly run": (
            "test_runbook_in_one_process.test_a_failed_night_is_listed_with_its_reason_and_does_not_keep_the_next_from_starting",
        ),
    },
    "EnrichPoisonRecord": {
        "Search the log": (
            "test_poison.test_poison_is_isolated",
            "test_runbook_in_one_process.test_the_log_names_a_quarantined_record_and_the_graph_says_why",
        ),
        "Its gaps are recorded": ("test_poison.test_poison_is_isolated",),
        "They are tried again": (
            "test_runbook.test_a_quarantined_record_is_tried_again_when_its_data_has_changed",
            "test_runbook_in_one_process.test_a_quarantined_record_is_tried_again_by_the_next_model_or_when_its_data_have_changed",
        ),
    },
    "EnrichManyFailures": {
        "`enrich_failures_total` counts": (
            "test_runbook_in_one_process.test_the_log_names_a_quarantined_record_and_the_graph_says_why",
        ),
        "`enrich retract RUN`": ("test_runbook.test_a_run_taken_back_leaves_its_gaps_open",),
        "With `--property`": ("cli/test_answering.test_a_part_of_a_run_is_taken_back",),
    },
    "EnrichStalled": {
        "A run could go on": ("docker/test_alerts.test_promtool_finds_nothing_wrong",),
        "`enrich job ID` says": ("test_in_one_process.test_progress_is_told",),
        "Look for errors": (
            "test_in_one_process.test_a_job_from_its_plan_to_its_end",
            "test_telling.test_logs_are_json_with_run_and_batch",
        ),
        "`enrich resume ID` sends": ("test_chaos.test_everything_lost_and_resumed",),
    },
    "What is kept, and pruning": {
        "A run stands": (
            "runs/test_current.test_three_models_in_turn_leave_one_answer_to_a_gap_whichever_is_taken_back",
        ),
        "Of the active runs": (
            "runs/test_current.test_any_history_of_runs_leaves_each_gap_with_the_answers_of_its_newest_active_run",
            "runs/test_prune.test_what_was_superseded_lately_stays_and_comes_back",
            "runs/test_prune.test_an_answer_superseded_long_ago_goes_even_when_a_newer_one_came_lately",
            "runs/test_prune.test_graphs_of_a_run_retracted_long_ago_are_dropped_and_of_one_retracted_lately_kept",
        ),
        "What is dropped": ("runs/test_prune.test_the_register_keeps_the_run_and_says_what_was_pruned_when",),
        "**Every run prunes": ("answering/test_run.test_a_run_says_which_answers_it_dropped_for_good",),
        "`enrich run` says": ("cli/test_runs.test_answers_that_a_run_dropped_are_told",),
        "Who wants to go further back": (
            "runs/test_prune.test_what_was_superseded_lately_stays_and_comes_back",
        ),
        "`enrich prune` does the same": (
            "cli/test_prune.test_a_dry_run_says_what_would_go_and_drops_nothing",
        ),
        "Before answers of more": (
            "cli/test_prune.test_on_a_terminal_it_asks",
            "cli/test_prune.test_answers_of_several_runs_are_dropped_only_with_yes",
        ),
        "Stopped on the way": (
            "runs/test_prune.test_a_crash_on_the_way_leaves_the_old_graph_or_the_new_one",
        ),
    },
    "Backups": {
        "Back up the triplestore": ("test_runbook.test_a_store_restored_in_the_middle_of_a_run",),
        "After a restore": ("test_runbook.test_a_store_restored_in_the_middle_of_a_run",),
        "Redis needs no backup": ("test_chaos.test_redis_restarted_then_wiped",),
        "Model folders prove": ("classifiers/model/test_manifest.test_what_was_changed_is_refused",),
        "Runs can be made again": (
            "runs/test_review_backup.test_what_was_backed_up_comes_back_once_and_with_what_follows_from_it",
        ),
        "`enrich review backup": (
            "runs/test_review_backup.test_what_was_backed_up_comes_back_once_and_with_what_follows_from_it",
        ),
        "A file that has reviews": (
            "runs/test_review_backup.test_a_backup_is_replaced_by_none_that_lacks_its_reviews",
            "runs/test_review_backup.test_what_is_no_backup_is_not_replaced_by_one",
        ),
        "Restoring may run while others judge": (
            "runs/test_verdicts.test_whoever_writes_while_all_is_made_anew_is_not_lost",
            "runs/test_review_backup.test_what_is_restored_while_a_run_is_under_way_is_heeded_by_it",
        ),
        "Of a file that was cut short": (
            "runs/test_review_backup.test_a_file_that_is_no_backup_adds_nothing",
        ),
    },
    "Several museums on one Redis": {
        "Queues, locks": ("test_broker.test_what_is_shared_is_named_for_its_target",),
        "So several museums": ("test_shared_redis.test_two_museums_do_their_own_work",),
        "`enrich health` counts": ("test_shared_redis.test_two_museums_do_their_own_work",),
        "The address counts": ("test_broker.test_what_is_shared_is_named_for_its_target",),
        "A message that comes": ("test_shared_redis.test_a_message_of_another_museum_is_put_back",),
        "`workers.broker` is": (
            "test_broker.test_an_address_is_read_alike_by_both_libraries",
            "test_broker.test_by_a_socket",
        ),
        "With `rediss`": ("test_broker.test_by_tls_with_certificates",),
        "In a password": ("test_broker.test_an_address_is_read_alike_by_both_libraries",),
        "Another address": ("test_broker.test_an_address_that_one_of_them_would_not_read_is_refused",),
    },
    "Upgrades": {
        "**Models.** Write": (
            "test_runbook.test_a_link_turned_to_a_newer_model_is_used_by_the_next_run",
            "docker/test_read_only_root.test_the_runbook_in_containers",
            "test_parts.test_a_model_is_read_once_and_anew_when_it_changed",
        ),
        "The next run uses it": ("test_runbook.test_a_link_turned_to_a_newer_model_is_used_by_the_next_run",),
        "A run goes on with the model": (
            "test_parts.test_a_model_is_read_once_and_anew_when_it_changed",
            "test_failures_in_one_process.test_a_model_that_is_gone_stops_the_run_until_it_is_resumed",
        ),
        "**The service.** Stop beat": (
            "test_runbook.test_a_worker_told_to_end_finishes_what_it_has_begun_and_another_goes_on",
        ),
        "A run that was under way": (
            "test_runbook.test_a_worker_told_to_end_finishes_what_it_has_begun_and_another_goes_on",
        ),
        "Several machines are upgraded": (
            "test_runbook.test_a_worker_told_to_end_finishes_what_it_has_begun_and_another_goes_on",
        ),
        "From a version whose queues": ("test_chaos.test_everything_lost_and_resumed",),
    },
    "Several machines": {
        "Point all of them": ("test_both_engines.test_clocks_two_hours_apart",),
        "Their clocks may differ": ("test_both_engines.test_clocks_two_hours_apart",),
        "Workers are added": ("test_chaos.test_workers_killed_for_a_whole_run",),
        "Processes that share": ("test_parts.test_threads_are_shared_between_processes",),
        "**GPU workers on their own queue.** Set": (
            "test_models_in_workers.test_batches_in_a_queue_of_their_own",
        ),
        "Start `enrich worker": ("test_models_in_workers.test_batches_in_a_queue_of_their_own",),
        "Models on torch": (
            "classifiers/model/test_config.test_whether_a_model_survives_a_fork_is_said_by_its_classes",
            "test_models_in_workers.test_workers_say_what_one_process_says",
        ),
    },
}
