"""What is recommended to whom, and all that this takes. Each module says in its first line what it does.

The feed        feed: taste, habits, candidates, affinity, nearby, facts, features, filters, sql_filters,
                satisfied, resting, ranking, served_ranker, boosts, aversion, arranging, same_photo,
                exploring, exposure, explanations, order, pages; feed_parameters, fallback
Search          search: asking_words, asking_prices, asking_places, asking_spans, wanted, spelling, matching,
                fulltext, highlighting, hints; similar, more_like, photo_search, similar_photos, copies,
                classification, uploads
Queries encoded encoding, answering: answers, encoded
What was shown  slates, offers, tracking, slate_accounts
Events          interactions: parking, claims, sales, standing, event_files, event_exports; trending;
                simulation
Who is believed trust, interaction_weights, doubts, likeness
The live view   replica: view, view_base, columns, changes, remembered, lag, model_watch
Its index       compaction, generations
Embedding       embedding: stored_features, bell, outages; encoders, loaded_encoder, encoder_records,
                backbones
Encoders        encoder_training, encoder_material, encoder_gate, encoder_finetuning, backbone_training
Collaborative   training: behaviour, content, recipe, collaborative, decays, weighing, tuning, gate;
                retraining; refreshing, counted
The ranker      ranker_training: ranker_slates, ranker_material, ranker_store
Registry        model_registry, model_store, model_folders, durable, locks, watermark
How good it is  evaluation: rehearsal, hindsight, asking, cases, contenders, evaluation_report
Trying          experiments: experiment_outcomes, experiment_report; replay: replay_policy, replay_slots,
                replay_report
A person's data data_rights, data_export, forgetting
Doors           urls, api, serializers, search_api, search_serializers, plain_image_api, plain_image_urls,
                on_behalf, looking, tasks, receivers, apps
For staff       admin, boosts_admin, category_admin, copies_admin, doubts_admin, experiments_admin,
                slates_admin
Tables          models, slate_models, rule_models, doubt_models, fields
Telling         progress, steps, scalars, measured, plain; crash_points, redis_link
"""
