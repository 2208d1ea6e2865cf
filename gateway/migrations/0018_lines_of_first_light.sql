-- What the first version of the rule about blood pressure left behind: its summary of late readings is one of all limits
-- now, and what it remembered while it waited was a bare list, judged by limits of the configuration (180/110, if not set).
UPDATE alert_line
SET kind = 'late',
    line = json_object('kind', 'late', 'version', 1, 'count', line -> '$.what.late.count',
        'worst', json_array(json_object('vital', 'blood_pressure', 'side', 'above', 'limits', line -> '$.limit',
            'reading', line -> '$.what.late.highest')))
WHERE kind = 'above_limit' AND line -> '$.what.late' IS NOT NULL;
UPDATE alert SET rule = 'late_review'
WHERE rule = 'above_limit_review' AND NOT EXISTS (
    SELECT 1 FROM alert AS other
    WHERE other.rule = 'late_review' AND other.about = alert.about AND other.state <> 'closed' AND alert.state <> 'closed');
UPDATE waiting
SET state = json_object('readings', json(state), 'limits', json_array(180, 110), 'severity', 'medium')
WHERE rule = 'above_limit' AND json_type(state) = 'array';
